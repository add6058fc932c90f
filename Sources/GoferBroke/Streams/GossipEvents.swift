// SPDX-License-Identifier: Apache-2.0
// The sequences that applications iterate.

/// What happens in the cluster: a snapshot of the members first, then every change.
///
/// Any number of consumers may iterate at the same time; each has a buffer of at most 1,024 events of its own, and none can make
/// the node or another consumer wait. One that falls further behind gets ``GossipEvent/lagged(_:)`` with the number of events it
/// missed, and then a fresh ``GossipEvent/snapshot(_:)``. The sequence ends when the node has stopped, or the task is cancelled.
/// Any call of the node is safe inside the loop.
public struct GossipEvents: AsyncSequence, Sendable {
    /// An event.
    public typealias Element = GossipEvent
    /// It never fails.
    public typealias Failure = Never

    let node: GossipNode

    /// Begins a subscription of its own.
    public func makeAsyncIterator() -> Iterator {
        let (id, mailbox) = self.node.hub.subscribeToEvents()
        return Iterator(node: self.node, mailbox: mailbox, subscription: Subscription(id, of: self.node.hub))
    }

    /// Takes events for one consumer.
    public struct Iterator: AsyncIteratorProtocol {
        let node: GossipNode
        let mailbox: Mailbox<EventBuffer>
        let subscription: Subscription

        /// Waits for the next event; nil at the end.
        public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async -> GossipEvent? {
            switch await self.mailbox.next() {
            case .event(let event): return event
            case .snapshot: return .snapshot(self.node.members)
            case nil: return nil
            }
        }
    }
}

/// Changes of deltas: every value that there is first, then what is set and deleted, each participant's, self's included.
///
/// Any number of consumers may iterate at the same time, and none can make the node or another consumer wait: while a consumer
/// is busy, a newer change of the same (participant, key) replaces the one that waits, so it is bounded by the keys and always
/// ends with the newest value. A deleted value is told with no delta. The sequence ends when the node has stopped, or the task
/// is cancelled. Any call of the node is safe inside the loop.
public struct DeltaChanges: AsyncSequence, Sendable {
    /// A change.
    public typealias Element = DeltaChange
    /// It never fails.
    public typealias Failure = Never

    let node: GossipNode
    let filter: ChangeFilter

    /// Begins a subscription of its own.
    public func makeAsyncIterator() -> Iterator {
        let (id, mailbox) = self.node.hub.subscribeToChanges(self.filter)
        return Iterator(node: self.node, filter: self.filter, mailbox: mailbox, subscription: Subscription(id, of: self.node.hub))
    }

    /// Takes changes for one consumer.
    public struct Iterator: AsyncIteratorProtocol {
        let node: GossipNode
        let filter: ChangeFilter
        let mailbox: Mailbox<ChangeBuffer>
        let subscription: Subscription

        /// Waits for the next change; nil at the end.
        public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async -> DeltaChange? {
            while let step = await self.mailbox.next() {
                switch step {
                case .change(let change):
                    return change
                case .list(let mark):
                    let deltas = self.node.deltas(matching: self.filter)
                    self.mailbox.update { $0.merge(deltas, mark: mark) }
                }
            }
            return nil
        }
    }
}

/// Changes of a typed key: as ``DeltaChanges``, with values of its type. What somebody set under the same key with another type
/// is passed over.
public struct ValueChanges<Value: DeltaValue>: AsyncSequence, Sendable {
    /// A change.
    public typealias Element = ValueChange<Value>
    /// It never fails.
    public typealias Failure = Never

    let changes: DeltaChanges

    /// Begins a subscription of its own.
    public func makeAsyncIterator() -> Iterator {
        Iterator(changes: self.changes.makeAsyncIterator())
    }

    /// Takes changes for one consumer.
    public struct Iterator: AsyncIteratorProtocol {
        var changes: DeltaChanges.Iterator

        /// Waits for the next change; nil at the end.
        public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async -> ValueChange<Value>? {
            while let change = await self.changes.next(isolation: actor) {
                guard let delta = change.delta else {
                    return ValueChange(participant: change.participant, generation: change.generation, value: nil)
                }
                if let value = delta.value(as: Value.self) {
                    return ValueChange(participant: change.participant, generation: change.generation, value: value)
                }
            }
            return nil
        }
    }
}
