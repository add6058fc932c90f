// SPDX-License-Identifier: Apache-2.0
// libFuzzer's door to the configuration language. scripts/test compiles it with the sources of GoferBrokeConfiguration (but for
// Snapshot/, which has dependencies) as one module: a package cannot build for libFuzzer what its other targets need as well.

/// Any bytes; a promise that is broken ends the run.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    if let sentence = ConfigurationFuzz.parse(bytes) {
        fatalError(sentence)
    }
    return 0
}
