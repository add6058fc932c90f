// SPDX-License-Identifier: Apache-2.0
// A value behind a lock.

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// A value behind a lock, used as the standard library's type of the same name, which it hides in this module.
///
/// That one waits on Linux in code that ThreadSanitizer does not see, so it reports races where there are none as soon as a lock
/// is contended; and this library is held to have no reports at all. A lock of the system's threads is seen.
///
/// `@unchecked Sendable`: `value` is touched by `withLock` alone, while the lock is held; the lock itself is made for use from any
/// thread and never moves.
package final class Mutex<Value: Sendable>: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    /// Puts a value behind a lock.
    package init(_ value: Value) {
        self.lock = .allocate(capacity: 1)
        self.lock.initialize(to: pthread_mutex_t())
        let failure = pthread_mutex_init(self.lock, nil)
        precondition(failure == 0, "the system makes no lock: error \(failure)")
        self.value = value
    }

    deinit {
        pthread_mutex_destroy(self.lock)
        self.lock.deinitialize(count: 1)
        self.lock.deallocate()
    }

    /// Runs `body` while nobody else does. It must not wait, and not come back here.
    package func withLock<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        return try body(&self.value)
    }
}
