// SPDX-License-Identifier: Apache-2.0
// What the detector keeps of a member.

/// The part that every member has. Small: a node knows every member of the cluster.
struct MemberRecord: Sendable {
    var generation: UInt64 = 0
    var incarnation: UInt64 = 0
    /// Last time that anything proved it alive; when it was learned of, before that.
    var lastLife = DetectorTime.zero
    /// Index of its `MemberDetail`, -1 while nothing happened with it.
    var detail: Int32 = -1
    var status = MemberStatus.alive
    var isUsed = false
    var hasDetector = false
    var isDiallable = false
    var isOnRings = false
    var isBystander = false

    var isLive: Bool {
        self.isUsed && self.status < .dead
    }
}

/// The part of members with whom something happened: links, checks, accusations, story.
struct MemberDetail: Sendable {
    var isLinked = false
    /// When the last heartbeat came on the present link; nil where the next one ends no interval.
    var lastHeartbeat: DetectorTime?
    var window: HeartbeatWindow?
    var roundTrip: Duration?
    /// Microseconds that a dial of it took last, or would take by the round trip; 0: unknown. Outlives the link.
    var answerTime: Int64 = 0
    /// The last link of this life was closed by the other host, and nothing was heard since.
    var hasHungUp = false
    var isInPhiAlarm = false

    var check: Check?
    var queuedCause: CheckCause?
    /// Checks that no lost link or silence asks for start no earlier.
    var nextCheckAt = DetectorTime.zero
    /// Microseconds to the check after the next one.
    var backoff: Int64 = 0
    /// When to prove that a linked peer can be dialled; and the pause after that.
    var nextVerificationAt = DetectorTime.zero
    var verificationBackoff: Int64 = 0

    var standing: [StandingAccusation] = []
    var suspectSince = DetectorTime.zero
    /// A majority of its judges that accuse it; nil: they do not.
    var majority: Majority?
    /// When the last look before a sentence on others' word ended without an answer.
    var vainLookAt: DetectorTime?
    /// Judges in the component of `judgesEpoch`.
    var judges: [Int32] = []
    var judgesEpoch: UInt64 = 0
    /// The judges that the story named last in the present suspicion; empty before.
    var toldJudges: [Int32] = []
    /// The last collection of opinions that it was part of.
    var opinionRound: UInt64 = 0

    var ownFactAt: DetectorTime?
    var helperFact: HelperFact?

    var tally = HeartbeatTally()
    var story = StoryRing()
}

/// An accusation of one target, as one accuser has it in its lane.
struct StandingAccusation: Sendable {
    var accuser: Int32
    var accuserGeneration: UInt64
    var generation: UInt64
    var incarnation: UInt64
    var reason: AccusationReason
    var hasVerdict: Bool
    /// When it came here, in its present form.
    var since: DetectorTime
}

/// More than half of the judges of a member accuse it.
struct Majority: Sendable {
    var since: DetectorTime
    /// It was there at one stroke.
    var isSudden: Bool
}

struct HelperFact: Sendable {
    var helper: Int32
    var at: DetectorTime
}

/// Why a member is checked.
enum CheckCause: Sendable {
    /// Phi over the threshold.
    case silence
    /// Its link was lost.
    case linkLost
    /// It is ours to watch, and there is no link.
    case unwatched
    /// Another accused it, and it is ours to judge.
    case judging
    /// It is outside the component, and ours to judge.
    case outsider
    /// It is dead, ours to judge, and we did not say so yet.
    case unconfirmed
    /// We accuse it, and look whether it is back.
    case recheck
    /// Others' word alone is about to make it dead, and that word may be old.
    case lastLook

    /// Goes before the others, and may use the whole burst.
    var isUrgent: Bool {
        switch self {
        case .silence, .linkLost, .judging: return true
        case .unwatched, .outsider, .unconfirmed, .recheck, .lastLook: return false
        }
    }

    /// Whether other monitors are asked to probe too. Where they are judges as well, they dial on their own account; but who can't dial
    /// it and accuses it on another's word may be one of a majority that is cut off from it, and asks those who are not. Who reached it
    /// lately where we did not is asked in any case.
    var asksHelpers: Bool {
        switch self {
        case .silence, .linkLost, .unwatched, .recheck: return true
        case .judging, .outsider, .unconfirmed, .lastLook: return false
        }
    }

    var reason: AccusationReason {
        switch self {
        case .silence: return .silent
        case .linkLost: return .linkLost
        case .unwatched, .judging, .outsider, .unconfirmed, .recheck, .lastLook: return .unreachable
        }
    }

    var words: String {
        switch self {
        case .silence: return "silent"
        case .linkLost: return "link lost"
        case .unwatched: return "no link to it"
        case .judging: return "accused by another"
        case .outsider: return "outside our component"
        case .unconfirmed: return "dead, and ours to judge"
        case .recheck: return "looking whether it is back"
        case .lastLook: return "a last look, on others' word"
        }
    }
}

/// Probes of one member that are under way.
struct Check: Sendable {
    var cause: CheckCause
    /// Own dials without a result yet.
    var dialsPending: Int
    /// Helpers without a result yet.
    var helpersPending: [Int32]
    /// What is missing then counts as unanswered.
    var deadline: DetectorTime
    /// Rounds of dials that are still to be tried before judging: more, the less we trust ourselves.
    var roundsLeft: Int
    /// Whether an own dial of this check failed.
    var hasFailedDial = false
}
