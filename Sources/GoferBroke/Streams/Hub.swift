// SPDX-License-Identifier: Apache-2.0
// Everybody who wants to be told something, and the telling.

/// Everybody who wants to be told something.
///
/// The pump tells; each consumer has a mailbox of its own, and telling costs an update of it. The hub's lock is held to look up
/// and change the list of consumers alone.
final class Hub: Sendable {
    struct ChangeConsumer: Sendable {
        let id: UInt64
        let filter: ChangeFilter
        let offer: @Sendable (DeltaNews) -> Void
        let forget: @Sendable (String) -> Void
        let lag: @Sendable () -> Void
        let finish: @Sendable () -> Void
    }

    private struct State {
        var nextID: UInt64 = 0
        var events: [UInt64: Mailbox<EventBuffer>] = [:]
        var members: [UInt64: Mailbox<HandlerInbox>] = [:]
        var changes: [ChangeConsumer] = []
        var isFinished = false
    }

    private let state = Mutex(State())

    // MARK: Consumers

    /// A mailbox for events, until ``unsubscribe(_:)``.
    func subscribeToEvents() -> (id: UInt64, mailbox: Mailbox<EventBuffer>) {
        let mailbox = Mailbox(EventBuffer())
        let (id, isFinished) = self.state.withLock { state in
            state.nextID += 1
            state.events[state.nextID] = state.isFinished ? nil : mailbox
            return (state.nextID, state.isFinished)
        }
        if isFinished {
            mailbox.finish()
        }
        return (id, mailbox)
    }

    /// A mailbox for changes, until ``unsubscribe(_:)``.
    func subscribeToChanges(_ filter: ChangeFilter) -> (id: UInt64, mailbox: Mailbox<ChangeBuffer>) {
        let mailbox = Mailbox(ChangeBuffer())
        let id = self.add(filter) { id in
            ChangeConsumer(
                id: id,
                filter: filter,
                offer: { news in mailbox.update { $0.offer(news) } },
                forget: { name in mailbox.update { $0.forget(name, lane: filter.lane) } },
                lag: { mailbox.update { $0.relist() } },
                finish: { mailbox.finish() }
            )
        }
        return (id, mailbox)
    }

    /// A bell that rings when a delta has changed, or may have, until ``unsubscribe(_:)``.
    func subscribeToNews(of filter: ChangeFilter) -> (id: UInt64, mailbox: Mailbox<Bell>) {
        let mailbox = Mailbox(Bell())
        let id = self.add(filter) { id in
            ChangeConsumer(
                id: id,
                filter: filter,
                offer: { _ in mailbox.update { $0.ring() } },
                forget: { _ in },
                lag: { mailbox.update { $0.ring() } },
                finish: { mailbox.finish() }
            )
        }
        return (id, mailbox)
    }

    /// A mailbox for a handler, until ``unsubscribe(_:)``.
    func subscribeHandler(_ filter: ChangeFilter) -> (id: UInt64, mailbox: Mailbox<HandlerInbox>) {
        let mailbox = Mailbox(HandlerInbox())
        let id = self.add(filter) { id in
            ChangeConsumer(
                id: id,
                filter: filter,
                offer: { news in mailbox.update { $0.offer(news) } },
                forget: { name in mailbox.update { $0.forget(name, lane: filter.lane) } },
                lag: { mailbox.update { $0.lag() } },
                finish: { mailbox.finish() }
            )
        }
        self.state.withLock { state in
            if !state.isFinished {
                state.members[id] = mailbox
            }
        }
        return (id, mailbox)
    }

    private func add(_ filter: ChangeFilter, _ make: (UInt64) -> ChangeConsumer) -> UInt64 {
        let (consumer, isFinished) = self.state.withLock { state in
            state.nextID += 1
            let consumer = make(state.nextID)
            if !state.isFinished {
                state.changes.append(consumer)
            }
            return (consumer, state.isFinished)
        }
        if isFinished {
            consumer.finish()
        }
        return consumer.id
    }

    func unsubscribe(_ id: UInt64) {
        self.state.withLock { state in
            state.events[id] = nil
            state.members[id] = nil
            state.changes.removeAll { $0.id == id }
        }
    }

    // MARK: Telling

    func tell(_ event: GossipEvent) {
        let mailboxes = self.state.withLock { Array($0.events.values) }
        for mailbox in mailboxes {
            mailbox.update { $0.append(event) }
        }
    }

    /// A member as it stands now, for handlers.
    func tell(_ member: Member) {
        let mailboxes = self.state.withLock { Array($0.members.values) }
        for mailbox in mailboxes {
            mailbox.update { $0.offer(member) }
        }
    }

    func isWatched(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel) -> Bool {
        self.state.withLock { state in
            state.changes.contains { $0.filter.matches(lane: lane, group: group, key: key) }
        }
    }

    func tell(_ news: DeltaNews) {
        let consumers = self.state.withLock { state in
            state.changes.filter { $0.filter.matches(lane: news.lane, group: news.group, key: news.key) }
        }
        for consumer in consumers {
            consumer.offer(news)
        }
    }

    /// A participant is no longer known.
    func forget(_ participant: String) {
        for consumer in self.state.withLock({ $0.changes }) {
            consumer.forget(participant)
        }
    }

    /// The core dropped events: everybody reads anew.
    func lag(_ count: Int) {
        let (mailboxes, consumers) = self.state.withLock { (Array($0.events.values), $0.changes) }
        for mailbox in mailboxes {
            mailbox.update { $0.lag(count) }
        }
        for consumer in consumers {
            consumer.lag()
        }
    }

    /// The end of all sequences.
    func finish() {
        let (mailboxes, consumers) = self.state.withLock { state in
            state.isFinished = true
            defer {
                state.events = [:]
                state.members = [:]
                state.changes = []
            }
            return (Array(state.events.values), state.changes)
        }
        for mailbox in mailboxes {
            mailbox.finish()
        }
        for consumer in consumers {
            consumer.finish()
        }
    }
}

/// Ends a subscription when nobody holds it any more.
final class Subscription: Sendable {
    let id: UInt64
    private let hub: Hub

    init(_ id: UInt64, of hub: Hub) {
        self.id = id
        self.hub = hub
    }

    deinit {
        self.hub.unsubscribe(self.id)
    }
}
