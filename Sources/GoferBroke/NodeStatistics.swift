// SPDX-License-Identifier: Apache-2.0
// Counters of a node.

/// Counters of a node since its start, at most 100 ms old.
public struct NodeStatistics: Sendable, Hashable {
    /// Rounds begun.
    public var rounds: UInt64 = 0
    /// Exchanges that this node began.
    public var exchangesBegun: UInt64 = 0
    /// Exchanges that this node answered.
    public var exchangesAnswered: UInt64 = 0
    /// Frames from peers.
    public var framesReceived: UInt64 = 0
    /// Frames to peers.
    public var framesSent: UInt64 = 0
    /// Bytes from peers.
    public var bytesReceived: UInt64 = 0
    /// Bytes to peers.
    public var bytesSent: UInt64 = 0
    /// Deltas that came.
    public var deltasReceived: UInt64 = 0
    /// Deltas that were news.
    public var deltasApplied: UInt64 = 0
    /// Deltas told to peers.
    public var deltasSent: UInt64 = 0
    /// Deltas that were known already.
    public var deltasDuplicate: UInt64 = 0
    /// Messages that did not follow on what was known.
    public var gaps: UInt64 = 0
    /// Links turned lazy for an origin.
    public var prunesSent: UInt64 = 0
    /// Links turned eager for an origin.
    public var graftsSent: UInt64 = 0
    /// Whole lanes that were replaced.
    public var resetsReceived: UInt64 = 0
    /// Bytes that came in answer to pulls.
    public var bulkBytesReceived: UInt64 = 0
    /// Connections tried.
    public var dials: UInt64 = 0
    /// Connections that failed.
    public var dialsFailed: UInt64 = 0
    /// Probes carried.
    public var probes: UInt64 = 0
    /// What peers sent that the protocol does not allow.
    public var protocolErrors: UInt64 = 0
    /// Peers refused.
    public var rejectsSent: UInt64 = 0
    /// Links that are open.
    public var linksOpen: Int = 0
    /// Links, those not yet open included.
    public var linksAll: Int = 0
    /// Clients connected.
    public var clients: Int = 0
    /// Members that are alive, self included.
    public var membersAlive: Int = 0
    /// Members under suspicion.
    public var membersSuspect: Int = 0
    /// Members that are dead.
    public var membersDead: Int = 0
    /// Members that left.
    public var membersLeft: Int = 0
    /// Bytes that wait to be sent, on all links.
    public var queuedBytes: UInt64 = 0
    /// A hash of all that is known: equal on nodes that know the same.
    public var mapHash: UInt64 = 0
    /// Memory of the cluster map.
    public var mapBytes: UInt64 = 0
    /// Keys in the cluster map.
    public var mapKeys: UInt64 = 0
    /// How fast own changes are admitted.
    public var load = GossipLoad()
    /// Own changes that had to wait for their version.
    public var pacingWaits: UInt64 = 0

    /// All zero.
    public init() {}
}
