// SPDX-License-Identifier: Apache-2.0
// Bytes on their way.

/// Copies of bytes, named by numbers that are used again.
struct PayloadPool: ~Copyable {
    private var payloads: [UnsafeMutableRawBufferPointer] = []
    private var free: [Int32] = []

    mutating func add(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 8)
        copy.copyMemory(from: bytes)
        let exact = UnsafeMutableRawBufferPointer(rebasing: copy[0..<bytes.count])
        if let number = self.free.popLast() {
            self.payloads[Int(number)] = exact
            return number
        }
        self.payloads.append(exact)
        return Int32(self.payloads.count - 1)
    }

    /// Lent until the payload is removed.
    func bytes(_ number: Int32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(self.payloads[Int(number)])
    }

    /// -1 is allowed.
    mutating func remove(_ number: Int32) {
        guard number >= 0 else { return }
        self.payloads[Int(number)].baseAddress?.deallocate()
        self.payloads[Int(number)] = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        self.free.append(number)
    }

    deinit {
        for payload in self.payloads {
            payload.baseAddress?.deallocate()
        }
    }
}
