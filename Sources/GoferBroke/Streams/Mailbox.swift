// SPDX-License-Identifier: Apache-2.0
// Where the pump leaves what consumers take: never blocks the one, never loses its place for the other.

/// What a mailbox holds: a bounded collection that is updated by one side and taken from by the other.
protocol MailboxContent: Sendable {
    associatedtype Taken: Sendable
    /// Whether ``take()`` would give nothing.
    var isEmpty: Bool { get }
    /// Removes and returns the next thing.
    mutating func take() -> Taken?
}

/// A content that one side updates and the other waits on.
///
/// The lock is held for the update or the taking alone: never while anything else runs, and continuations are resumed after it
/// was released. So whoever takes from a mailbox may call anything of the node meanwhile.
final class Mailbox<Content: MailboxContent>: Sendable {
    private struct State {
        var content: Content
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
        var isFinished = false
    }

    private let state: Mutex<State>

    init(_ content: Content) {
        self.state = Mutex(State(content: content))
    }

    /// Changes the content and wakes whoever waits. Does nothing after ``finish()``.
    func update(_ body: (inout Content) -> Void) {
        let waiters = self.state.withLock { state -> [UInt64: CheckedContinuation<Void, Never>] in
            guard !state.isFinished else { return [:] }
            body(&state.content)
            guard !state.content.isEmpty, !state.waiters.isEmpty else { return [:] }
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values {
            waiter.resume()
        }
    }

    /// No more updates. What is there can still be taken.
    func finish() {
        let waiters = self.state.withLock { state -> [UInt64: CheckedContinuation<Void, Never>] in
            state.isFinished = true
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values {
            waiter.resume()
        }
    }

    /// Waits for the next thing; nil after the end, when nothing is left, and when the task is cancelled.
    func next() async -> Content.Taken? {
        while !Task.isCancelled {
            let (taken, isFinished) = self.state.withLock { state in (state.content.take(), state.isFinished) }
            if let taken { return taken }
            if isFinished { return nil }
            await self.wait()
        }
        return nil
    }

    /// Suspends until there is something, the end, or the task's cancellation.
    private func wait() async {
        let id = self.state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = self.state.withLock { state in
                    // A cancellation before this line is seen here; one after it finds the waiter in the table.
                    guard !state.isFinished, !Task.isCancelled, state.content.isEmpty else { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if isDone {
                    continuation.resume()
                }
            }
        } onCancel: {
            let waiter = self.state.withLock { $0.waiters.removeValue(forKey: id) }
            waiter?.resume()
        }
    }
}

/// A content for something that happens once and that anybody may wait for.
struct Once<Value: Sendable>: MailboxContent {
    private(set) var value: Value?

    var isEmpty: Bool { self.value == nil }

    /// The first value stays.
    mutating func set(_ value: Value) {
        if self.value == nil {
            self.value = value
        }
    }

    mutating func take() -> Value? {
        self.value
    }
}

/// A content that only says that something has happened since it was last taken.
struct Bell: MailboxContent {
    private var hasRung = false

    var isEmpty: Bool { !self.hasRung }

    mutating func ring() {
        self.hasRung = true
    }

    mutating func take() -> Void? {
        defer { self.hasRung = false }
        return self.hasRung ? () : nil
    }
}
