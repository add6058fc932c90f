// SPDX-License-Identifier: Apache-2.0
// What a node tells of the cluster.

public import GoferBrokeConfiguration

/// What happened in the cluster, as this node learned of it. More cases may be added: handle what you don't know by ignoring it.
public enum GossipEvent: Sendable {
    /// All members as they stand now, self included. The first element of every sequence, and the one after ``lagged(_:)``.
    case snapshot([Member])
    /// This node is part of a cluster now, of so many known members, self included.
    case joined(memberCount: Int)
    /// A seed could not be joined; it is tried again for ever.
    case seedFailed(Endpoint, GoferBrokeError)
    /// A node is a member for the first time in this life.
    case memberJoined(Member)
    /// A member came back in a later life; the deltas of the earlier one are gone.
    case memberRestarted(Member)
    /// Addresses or properties of a member changed.
    case memberUpdated(Member)
    /// Somebody accuses a member.
    case memberSuspected(Member)
    /// A suspect or dead member is alive again.
    case memberAlive(Member)
    /// A member is gone without a word.
    case memberDied(Member)
    /// A member accuses this node, which refutes it.
    case accused(by: String)
    /// How far this node stretches its own timeouts, because it was late itself or alone with what it said: 0 (well) to 8.
    case localHealthChanged(Int)
    /// A member said good-bye.
    case memberLeft(Member)
    /// A dead or departed member's time is over: it is no longer known.
    case memberForgotten(Member)
    /// A key of the cluster configuration has another value now.
    case configurationChanged(ConfigurationChange)
    /// A change of the cluster configuration lost against one made at the same time elsewhere.
    case configurationSuperseded(key: String, lost: StampedValue, by: StampedValue)
    /// An entry of the cluster configuration was not taken over.
    case configurationRefused(key: String, publisher: String, reason: String)
    /// Own changes are being paced, or no longer are: ``GossipLoad/isPacing`` says which.
    case load(GossipLoad)
    /// Something was refused for a bound; `participant` says of whom, where it is of somebody.
    case limitReached(GoferBrokeError, participant: String?)
    /// This node goes on under a greater generation.
    case generationChanged(UInt64)
    /// So many events were dropped here because they were not taken in time. A snapshot follows.
    case lagged(Int)
}

extension GossipEvent {
    /// What the news of a member are to whoever listens.
    package init(_ member: Member, _ news: MemberNews) {
        switch (news, member.status) {
        case (.forgotten, _): self = .memberForgotten(member)
        case (.updated, _): self = .memberUpdated(member)
        case (.joined, .alive), (.joined, .suspect): self = .memberJoined(member)
        case (.restarted, .alive), (.restarted, .suspect): self = .memberRestarted(member)
        case (.status, .alive): self = .memberAlive(member)
        case (.status, .suspect): self = .memberSuspected(member)
        case (_, .dead): self = .memberDied(member)
        case (_, .left): self = .memberLeft(member)
        }
    }

    /// What the news of the configuration are.
    package init(_ event: ConfigurationEvent) {
        switch event {
        case .changed(let change): self = .configurationChanged(change)
        case .superseded(let key, let lost, let by): self = .configurationSuperseded(key: key, lost: lost, by: by)
        case .refused(let key, let publisher, let reason):
            self = .configurationRefused(key: key, publisher: publisher, reason: reason)
        }
    }
}
