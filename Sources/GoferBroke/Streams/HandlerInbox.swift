// SPDX-License-Identifier: Apache-2.0
// What waits for a handler: changes of its group, and members that came or went.

/// What waits for a handler: per (participant, key) the newest change, per member the newest news. Bounded by both.
package struct HandlerInbox: MailboxContent {
    package enum Step: Sendable {
        /// Whoever runs the handler offers all members.
        case members
        /// Whoever runs the handler reads all values of the group and hands them to ``merge(_:mark:)``.
        case list(mark: UInt64)
        /// The handler is called.
        case call(HandlerCall)
    }

    private var changes = ChangeBuffer()
    private var members: [NodeName: Member] = [:]
    private var order: [NodeName] = []
    /// Who was told to be there, and in which life.
    private var present: [NodeName: UInt64] = [:]
    private var areMembersDue = true

    package init() {}

    package var isEmpty: Bool {
        !self.areMembersDue && self.order.isEmpty && self.changes.isEmpty
    }

    package mutating func offer(_ news: DeltaNews) {
        self.changes.offer(news)
    }

    /// A member as it stands now. Only coming and going is news to a handler.
    package mutating func offer(_ member: Member) {
        guard !member.isSelf else { return }
        let name = NodeName(member.name)
        switch member.status {
        case .alive, .suspect:
            guard self.present[name] != member.generation else { return }
            self.present[name] = member.generation
        case .dead, .left:
            guard self.present[name] != nil else { return }
            self.present[name] = nil
        }
        if self.members.updateValue(member, forKey: name) == nil {
            self.order.append(name)
        }
    }

    package mutating func lag() {
        self.areMembersDue = true
        self.changes.relist()
    }

    package mutating func merge(_ deltas: [Delta], mark: UInt64) {
        self.changes.merge(deltas, mark: mark)
    }

    package mutating func forget(_ participant: String, lane: DeltaLane) {
        self.changes.forget(participant, lane: lane)
    }

    /// Members first: whose values they are is then known.
    package mutating func take() -> Step? {
        if self.areMembersDue {
            self.areMembersDue = false
            return .members
        }
        if !self.order.isEmpty {
            let name = self.order.removeFirst()
            return self.members.removeValue(forKey: name).map { .call(HandlerCall($0)) }
        }
        switch self.changes.take() {
        case .list(let mark): return .list(mark: mark)
        case .change(let change): return .call(.changed(change))
        case nil: return nil
        }
    }
}

/// One call of a handler.
package enum HandlerCall: Sendable {
    case changed(DeltaChange)
    case joined(Member)
    case left(Member)
    case died(Member)

    init(_ member: Member) {
        switch member.status {
        case .alive, .suspect: self = .joined(member)
        case .dead: self = .died(member)
        case .left: self = .left(member)
        }
    }
}

extension GossipHandler {
    /// Makes one call.
    package func take(_ call: HandlerCall, on node: any ClusterNode) async throws {
        switch call {
        case .changed(let change): try await self.changed(change, on: node)
        case .joined(let member): try await self.joined(member, on: node)
        case .left(let member): try await self.left(member, on: node)
        case .died(let member): try await self.died(member, on: node)
        }
    }
}
