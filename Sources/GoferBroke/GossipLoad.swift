// SPDX-License-Identifier: Apache-2.0
// Flow control as a node tells of it.

/// How fast a node admits its own changes, and how fast it is asked to.
///
/// `set` never blocks for load and never fails for it. While pacing is on, changes that ``admittedRate`` does not allow at once wait for
/// their version: one for each key, the newest wins, and this node reads its own values all the time. After van Renesse et al., "Efficient
/// Reconciliation and Flow Control for Anti-Entropy Protocols" (2008).
public struct GossipLoad: Sendable, Hashable {
    /// Whether own changes are held to ``admittedRate``.
    public var isPacing = false
    /// Own changes per second that this node may admit at most (tau). While pacing is off it is the ceiling, and nothing is held to it.
    public var admittedRate = 0.0
    /// Own changes per second that this node was offered lately (rho).
    public var offeredRate = 0.0
    /// Changes that wait for their version.
    public var pendingCount = 0

    /// Nothing offered, nothing paced.
    public init() {}
}
