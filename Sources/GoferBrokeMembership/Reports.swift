// SPDX-License-Identifier: Apache-2.0
// What the detector shows: members, and who was proved to be reachable.

/// How a member stands, and on whose word.
public struct MemberReport: Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Which life.
    public var generation: UInt64
    /// Its incarnation.
    public var incarnation: UInt64
    /// How it stands.
    public var status: MemberStatus
    /// How suspicious its silence is; 0 without a link.
    public var phi: Double
    /// The last round-trip time that a heartbeat measured on the present link.
    public var roundTrip: Duration?
    /// Whether this node has a link to it.
    public var isLinked: Bool
    /// Whether it has a failure detector.
    public var hasDetector: Bool
    /// Whether it was reached by a dial of this node in this generation.
    public var isDiallable: Bool
    /// Whose accusations of it stand and count; by the bytes of their names.
    public var accusers: [String]
    /// Who watches it: its ring neighbours among all live members, self included.
    public var monitors: [String]
    /// Who decides about it: its ring neighbours among the members of this node's component, self included.
    public var judges: [String]

    /// Whether a single node's word decides about it.
    public var hasSoleJudge: Bool {
        self.judges.count == 1
    }
}

/// A proof that a node can be reached: a probe that was answered.
public struct ReachabilityFact: Hashable, Sendable {
    /// Who reached it; nil is this node.
    public var observer: String?
    /// Who was reached.
    public var target: String
    /// Which life of it.
    public var generation: UInt64
    /// When this node learned of it.
    public var time: DetectorTime
}
