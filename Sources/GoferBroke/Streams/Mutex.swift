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
/// `@unchecked Sendable`, whatever the value is: it is touched by `withLock` alone, while the lock is held. The value comes in as
/// `sending`, so nobody else has a way to what it refers to; `body` gets it as `inout sending` and its result is `sending`, so the
/// compiler lets nothing out that still refers to it. The lock itself is made for use from any thread and never moves.
package final class Mutex<Value>: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    /// Puts a value behind a lock.
    package init(_ value: sending Value) {
        self.lock = .allocate(capacity: 1)
        self.lock.initialize(to: pthread_mutex_t())
        let failure = pthread_mutex_init(self.lock, nil)
        precondition(failure == 0, "the system makes no lock: error \(failure)")
        self.value = .allocate(capacity: 1)
        self.value.initialize(to: value)
    }

    deinit {
        self.value.deinitialize(count: 1)
        self.value.deallocate()
        pthread_mutex_destroy(self.lock)
        self.lock.deinitialize(count: 1)
        self.lock.deallocate()
    }

    /// Runs `body` while nobody else does. It must not wait, and not come back here.
    package func withLock<Result, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        return try body(&self.value.pointee)
    }
}
