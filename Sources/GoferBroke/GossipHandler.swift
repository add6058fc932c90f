// SPDX-License-Identifier: Apache-2.0
// Application logic that owns a key group.

/// Application logic that owns a key group: told of changes in it, and of members that come and go.
///
/// Each handler has a task of its own and an inbox of its own. Calls come one after the other; while one runs, changes wait in
/// the inbox, one for each (participant, key) and one for each member, the newest wins. So a slow handler misses
/// steps in between but never the newest state, and costs nobody else anything. An error that it throws is logged, and it goes on.
/// It may call anything of the node. It begins with what is there: ``joined(_:on:)`` for every live member but self,
/// ``changed(_:on:)`` for every value of the group.
public protocol GossipHandler: Sendable {
    /// The key group it owns.
    var keyGroup: DeltaLabel { get }
    /// A value of the group is new, changed or deleted, self's included.
    func changed(_ change: DeltaChange, on node: any ClusterNode) async throws
    /// A member is there: new, restarted, or alive again after it was held for dead.
    func joined(_ member: Member, on node: any ClusterNode) async throws
    /// A member said good-bye.
    func left(_ member: Member, on node: any ClusterNode) async throws
    /// A member is gone without a word.
    func died(_ member: Member, on node: any ClusterNode) async throws
}

extension GossipHandler {
    /// Does nothing.
    public func joined(_ member: Member, on node: any ClusterNode) async throws {}
    /// Does nothing.
    public func left(_ member: Member, on node: any ClusterNode) async throws {}
    /// Does nothing.
    public func died(_ member: Member, on node: any ClusterNode) async throws {}
}
