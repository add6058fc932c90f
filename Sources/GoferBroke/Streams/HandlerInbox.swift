// SPDX-License-Identifier: Apache-2.0
// What waits for a handler: changes of its group, and members that came or went.

/// What waits for a handler: per (participant, key) the newest change, per member the newest news. Bounded by both.
struct HandlerInbox: MailboxContent {
    enum Step: Sendable {
        case members
        case list(mark: UInt64)
        case change(DeltaChange)
        case member(Member)
    }

    private var changes = ChangeBuffer()
    private var members: [NodeName: Member] = [:]
    private var order: [NodeName] = []
    /// Who was told to be there, and in which life.
    private var present: [NodeName: UInt64] = [:]
    private var areMembersDue = true

    var isEmpty: Bool {
        !self.areMembersDue && self.order.isEmpty && self.changes.isEmpty
    }

    mutating func offer(_ news: DeltaNews) {
        self.changes.offer(news)
    }

    /// A member as it stands now. Only coming and going is news to a handler.
    mutating func offer(_ member: Member) {
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

    mutating func lag() {
        self.areMembersDue = true
        self.changes.relist()
    }

    mutating func merge(_ deltas: [Delta], mark: UInt64) {
        self.changes.merge(deltas, mark: mark)
    }

    mutating func forget(_ participant: String, lane: DeltaLane) {
        self.changes.forget(participant, lane: lane)
    }

    /// Members first: whose values they are is then known.
    mutating func take() -> Step? {
        if self.areMembersDue {
            self.areMembersDue = false
            return .members
        }
        if !self.order.isEmpty {
            let name = self.order.removeFirst()
            return self.members.removeValue(forKey: name).map { .member($0) }
        }
        switch self.changes.take() {
        case .list(let mark): return .list(mark: mark)
        case .change(let change): return .change(change)
        case nil: return nil
        }
    }
}
