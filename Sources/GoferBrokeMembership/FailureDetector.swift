// SPDX-License-Identifier: Apache-2.0
// The contract between a failure detector and whoever carries its probes: facts in, actions out.

/// Decides who is alive. A value: told of facts, each with the time, it answers with actions; it has no clock, thread,
/// socket or global. The engine carries probes and reports; it never decides.
///
/// The carrier promises: inputs in the order in which they happened; `now` never earlier than before (an earlier one counts
/// as the last one seen); one `tick` each `DetectorSettings.tickInterval`, or as `DetectorAction.tick` asks; exactly one `probeResult` for each `probe` and
/// `probeThrough`, within about `probeTimeout`; accusations and retractions as they stand in the accusers' lanes.
public protocol FailureDetector: Sendable {
    /// Takes one fact and returns what must be done now, in order.
    mutating func handle(_ input: DetectorInput, now: DetectorTime) -> [DetectorAction]

    /// How suspicious the silence of `name` is at `now`; 0 where it is unknown or there is no link to it.
    func phi(of name: String, at now: DetectorTime) -> Double

    /// How `name` stands; nil where it is unknown or this node itself.
    func status(of name: String) -> MemberStatus?

    /// Everybody known, self excluded, by the bytes of their names.
    func members(at now: DetectorTime) -> [MemberReport]

    /// One member; nil where it is unknown or this node itself.
    func member(_ name: String, at now: DetectorTime) -> MemberReport?

    /// The names of everybody known, self excluded, by their bytes.
    var memberNames: [String] { get }

    /// Every accusation by another member that is remembered, those that don't count now among them, in no particular order:
    /// what a carrier that lost facts compares with the lanes.
    var accusationsOfOthers: [Accusation] { get }

    /// What is remembered of `name`, oldest first; empty where it is unknown.
    func story(of name: String) -> [StoryEntry]

    /// Who was proved to be reachable, by whom, and when; by the bytes of the targets' names.
    var reachability: [ReachabilityFact] { get }

    /// 0 (well) to 8: how far this node stretches its own timeouts.
    var localHealth: Int { get }

    /// What it did so far.
    var statistics: DetectorStatistics { get }
}

/// How a member stands. Within one (generation, incarnation) a later case outranks an earlier one.
public enum MemberStatus: UInt8, Comparable, Hashable, Sendable, CustomStringConvertible {
    /// Nobody accuses it.
    case alive
    /// At least one accusation by a live accuser stands.
    case suspect
    /// Its judges decided, or its end was proved.
    case dead
    /// It said goodbye.
    case left

    /// Order of precedence.
    public static func < (left: MemberStatus, right: MemberStatus) -> Bool {
        left.rawValue < right.rawValue
    }

    /// The word of `members` and of JSON.
    public var description: String {
        switch self {
        case .alive: return "alive"
        case .suspect: return "suspect"
        case .dead: return "dead"
        case .left: return "left"
        }
    }
}

/// A participant as the cluster map has it.
public struct Member: Hashable, Sendable {
    /// The node's name.
    public var name: String
    /// Which life of the node.
    public var generation: UInt64
    /// Grows inside a generation with each refutation.
    public var incarnation: UInt64
    /// Whether it has a failure detector: only those are judges.
    public var hasDetector: Bool
    /// Whether this node had a WELCOME from its address in this generation.
    public var isDiallable: Bool
    /// Whether it said goodbye.
    public var hasLeft: Bool
    /// Whether the carrier holds it for dead. Counts where the detector hears of the member for the first time: whoever told of it said
    /// that it is dead.
    public var isHeldForDead: Bool

    /// Makes a member; one that is alive, has a detector and was not dialled yet unless told otherwise.
    public init(
        name: String,
        generation: UInt64,
        incarnation: UInt64 = 0,
        hasDetector: Bool = true,
        isDiallable: Bool = false,
        hasLeft: Bool = false,
        isHeldForDead: Bool = false
    ) {
        self.name = name
        self.generation = generation
        self.incarnation = incarnation
        self.hasDetector = hasDetector
        self.isDiallable = isDiallable
        self.hasLeft = hasLeft
        self.isHeldForDead = isHeldForDead
    }
}

/// Why a link ended.
public enum LinkCloseCause: UInt8, Hashable, Sendable, CaseIterable {
    /// The peer's host reset it.
    case reset
    /// The peer's end closed it without a word.
    case ended
    /// It stalled for too long, or its host is unreachable.
    case timedOut
    /// This node closed it, or both agreed to. Never suspicious.
    case closedByUs
    /// Another link between the same two lives took its place. Never suspicious; the peer stays linked.
    case replaced
}

/// How a probe ended.
public enum ProbeOutcome: Hashable, Sendable {
    /// A WELCOME or probe answer by the very (name, generation) that was asked for.
    case answered
    /// The host answered that nobody listens there.
    case refused
    /// No answer in time, or no way to the host, or no address, or the helper did not report.
    case unreachable
    /// Somebody with another name answered: counts as refused.
    case otherIdentity
    /// The node answered from a later life: the asked one is over.
    case newerGeneration(UInt64)
}

/// Why a node accuses another. It travels in the accuser's membership lane.
public enum AccusationReason: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// Its heartbeats stopped and no probe was answered.
    case silent = 1
    /// The link to it was lost and no probe was answered.
    case linkLost = 2
    /// Its host reset or closed the link and then refused a dial at an address where it had answered in this generation.
    case crashed = 3
    /// It was asked as one of its judges, and no probe was answered.
    case unreachable = 4

    /// One or two words, for people.
    public var description: String {
        switch self {
        case .silent: return "silent"
        case .linkLost: return "link lost"
        case .crashed: return "crashed"
        case .unreachable: return "unreachable"
        }
    }
}

/// Why a node was declared dead.
public enum DeathReason: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// Reset and refused at a majority of its judges: proof, no waiting.
    case crashed
    /// A majority of its judges accuse it and the suspicion time is over.
    case majority
    /// It has one judge, who accuses it, and the full suspicion time is over.
    case soleJudge
    /// A later life answered at its address.
    case superseded
    /// Phi of its heartbeats is over the threshold, and nothing else is asked for: `PlainPhiDetector` alone.
    case silent
    /// Another node declared it dead, and its word is enough: `PlainPhiDetector` alone.
    case told

    /// A few words, for people.
    public var description: String {
        switch self {
        case .crashed: return "crashed: links reset and dials refused at a majority of its judges"
        case .majority: return "accused by a majority of its judges for the suspicion time"
        case .soleJudge: return "accused by its only judge for the full suspicion time"
        case .superseded: return "a later life answers at its address"
        case .silent: return "silent: phi over the threshold"
        case .told: return "another node declared it dead"
        }
    }
}

/// An accusation as it stands in the accuser's membership lane.
public struct Accusation: Hashable, Sendable {
    /// Who accuses.
    public var accuser: String
    /// The life of the accuser that says so.
    public var accuserGeneration: UInt64
    /// Who is accused.
    public var target: String
    /// The life that is accused.
    public var generation: UInt64
    /// The incarnation that is accused; a greater one refutes.
    public var incarnation: UInt64
    /// Why.
    public var reason: AccusationReason
    /// Whether the accuser has itself declared the target dead: it has waited the suspicion time already.
    public var hasVerdict: Bool

    /// Makes an accusation.
    public init(
        accuser: String,
        accuserGeneration: UInt64,
        target: String,
        generation: UInt64,
        incarnation: UInt64,
        reason: AccusationReason,
        hasVerdict: Bool = false
    ) {
        self.accuser = accuser
        self.accuserGeneration = accuserGeneration
        self.target = target
        self.generation = generation
        self.incarnation = incarnation
        self.reason = reason
        self.hasVerdict = hasVerdict
    }
}

/// A fact that the detector is told.
public enum DetectorInput: Hashable, Sendable {
    /// This node's own name and generation; accusations that stand are said again under a new generation.
    case selfUpdated(name: String, generation: UInt64)
    /// A member is new, changed, restarted (greater generation), refuting (greater incarnation) or has left.
    case memberUpdated(Member)
    /// The map has forgotten a member.
    case memberForgotten(name: String)
    /// A link to that life of the peer is open and handshaken.
    case linkOpened(name: String, generation: UInt64)
    /// The link to that life of the peer is gone.
    case linkClosed(name: String, generation: UInt64, cause: LinkCloseCause)
    /// A heartbeat, or the acknowledgement of ours: life, and a sample for phi.
    case heartbeat(name: String, generation: UInt64, roundTrip: Duration?)
    /// Any other bytes from the peer: life, no sample. Need not be told more than a few times a second.
    case activity(name: String, generation: UInt64)
    /// A probe of that life of `target` ended; `helper` carried it, or this node itself where it is nil. `duration`: how long the
    /// answer to a dial of ours took, if the carrier knows.
    case probeResult(target: String, generation: UInt64, helper: String?, outcome: ProbeOutcome, duration: Duration? = nil)
    /// A member published an accusation, or published it again with other content.
    case accusation(Accusation)
    /// A member deleted its accusation of `target`.
    case retraction(accuser: String, target: String)
    /// A member accuses this node. The engine refutes; the detector counts it for its local health.
    case selfAccused(by: String)
    /// The loop is running: once each `DetectorSettings.tickInterval`, unless `DetectorAction.tick` asked for another interval.
    case tick
    /// Other settings from now on.
    case settingsChanged(DetectorSettings)
}

/// Something the carrier must do.
public enum DetectorAction: Hashable, Sendable {
    /// Dial the target afresh, never over a link that is open; several in a row mean several dials at once. Each is given up after
    /// `timeout`; nil is `DetectorSettings.probeTimeout`.
    case probe(target: String, generation: UInt64, timeout: Duration? = nil)
    /// Ask `helper` to dial the target afresh.
    case probeThrough(helper: String, target: String, generation: UInt64)
    /// Publish an accusation, or replace the one of this target that is published.
    case accuse(target: String, generation: UInt64, incarnation: UInt64, reason: AccusationReason)
    /// Delete this node's accusation of the target.
    case retract(target: String)
    /// That life is over: no ring, link or digest needs it. An accusation of ours that stands is published again with its verdict.
    case declareDead(target: String, generation: UInt64, incarnation: UInt64, reason: DeathReason)
    /// The member is alive again: heard, refuting, or no longer accused.
    case declareAlive(target: String, generation: UInt64, incarnation: UInt64)
    /// At least one accusation of the member stands.
    case declareSuspect(target: String, generation: UInt64, incarnation: UInt64)
    /// From now on `interval` after the last tick, or after this if that is sooner, and then each so long.
    case tick(every: Duration)
}
