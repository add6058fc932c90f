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

/// What a detector did since it was made: counters that only grow.
public struct DetectorStatistics: Hashable, Sendable {
    /// Checks begun, each further round of dials counted as one.
    public var checks: UInt64 = 0
    /// Dials asked for, those that prove a peer diallable among them.
    public var probes: UInt64 = 0
    /// Probes that other monitors were asked for.
    public var probesThroughOthers: UInt64 = 0
    /// Probes of both kinds that the very life asked for answered.
    public var probesAnswered: UInt64 = 0
    /// Accusations published, or published again with another reason or under another generation of our own.
    public var accusations: UInt64 = 0
    /// Accusations taken back.
    public var retractions: UInt64 = 0
    /// How often a member became suspect here.
    public var suspicions: UInt64 = 0
    /// How often a member was declared dead here.
    public var deaths: UInt64 = 0
    /// How often a dead member turned out to live on in the same life.
    public var deathsTakenBack: UInt64 = 0
    /// How often this node's own loop stood still for too long.
    public var ownPauses: UInt64 = 0

    /// Makes counters that stand at 0.
    public init() {}
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
