// SPDX-License-Identifier: Apache-2.0
// Owns a loop of the C core: the thread and the event loop that carry nodes.

internal import CGoferBroke

/// Owns a `gb_loop`. The nodes on it hold it; when the last one is gone, its thread ends.
///
/// `@unchecked Sendable`: the pointer is set once, and node.h allows every function of a loop from any thread; `gb_loop_close`,
/// which ends the object, is called by `deinit` alone, when nobody can hold a reference any more.
final class LoopHandle: @unchecked Sendable {
    let loop: OpaquePointer

    init() throws(GoferBrokeError) {
        var info = gb_err_info()
        var loop: OpaquePointer?
        let err = gb_loop_open(nil, &loop, &info)
        try GoferBrokeError.check(err, info, "open the loop")
        guard let loop else { throw GoferBrokeError(GB_EBROKEN, operation: "open the loop") }
        self.loop = loop
    }

    deinit {
        // Every node holds its loop until it is closed, so this is never GB_EBUSY.
        _ = gb_loop_close(self.loop)
    }

    private static let current = Mutex(WeakLoop())

    /// The loop that nodes of this process share, made for the first of them.
    static func shared() throws(GoferBrokeError) -> LoopHandle {
        let outcome: Result<LoopHandle, GoferBrokeError> = self.current.withLock { current in
            if let handle = current.handle { return .success(handle) }
            do throws(GoferBrokeError) {
                let handle = try LoopHandle()
                current.handle = handle
                return .success(handle)
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    private struct WeakLoop {
        weak var handle: LoopHandle?
    }
}
