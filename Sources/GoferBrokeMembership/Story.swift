// SPDX-License-Identifier: Apache-2.0
// What a node remembers of each peer, so that it can say why it thinks what it thinks.

/// One thing that happened with a peer.
public struct StoryEntry: Hashable, Sendable, CustomStringConvertible {
    /// When, on the detector's clock.
    public var time: DetectorTime
    /// What.
    public var event: StoryEvent

    /// Makes an entry.
    public init(time: DetectorTime, event: StoryEvent) {
        self.time = time
        self.event = event
    }

    /// Time and sentence.
    public var description: String {
        "[\(self.time)] \(self.event)"
    }
}

/// The kinds of things that are remembered.
public enum StoryEvent: Hashable, Sendable, CustomStringConvertible {
    /// A link opened.
    case linkOpened
    /// A link is gone.
    case linkClosed(LinkCloseCause)
    /// Heartbeats since the last entry of this kind, and the gaps between them.
    case heartbeats(count: Int, meanGap: Duration, longestGap: Duration)
    /// Phi exceeded the threshold after this silence.
    case phiCrossed(phi: Double, silence: Duration)
    /// A check began: so many fresh dials, and these helpers.
    case checkStarted(why: String, dials: Int, helpers: [String])
    /// A probe ended; carried by a helper, or by ourselves where it is nil.
    case probed(helper: String?, outcome: ProbeOutcome)
    /// All probes failed while our own loop had just paused: no judgement, another check later.
    case judgementHeld
    /// This node accused it.
    case accusedByUs(AccusationReason)
    /// This node took its accusation back.
    case retractedByUs
    /// Another node accused it.
    case accused(by: String, reason: AccusationReason)
    /// Another node declared it dead, and says so in its accusation.
    case verdict(by: String)
    /// Who decides about it: told when it is suspected, and when they declare it dead if they are others by then.
    case judges([String])
    /// Another node took its accusation back.
    case retracted(by: String)
    /// It accused us.
    case accusedUs
    /// It became suspect.
    case suspected
    /// Whoever told us of it holds it for dead.
    case heldForDead
    /// It was declared dead, so many of so many judges accusing.
    case declaredDead(DeathReason, accusing: Int, judges: Int)
    /// It was declared alive.
    case declaredAlive
    /// It refuted with this incarnation.
    case refuted(incarnation: UInt64)
    /// It came back as this generation.
    case restarted(generation: UInt64)
    /// It said goodbye.
    case left
    /// Our own loop stood still for so long; all clocks of this peer were moved on by it.
    case ownPause(Duration)

    /// One sentence, for people.
    public var description: String {
        switch self {
        case .linkOpened: return "link opened"
        case .linkClosed(.reset): return "link reset by its host"
        case .linkClosed(.ended): return "link closed by its end"
        case .linkClosed(.timedOut): return "link timed out"
        case .linkClosed(.closedByUs): return "link closed by us"
        case .linkClosed(.replaced): return "link replaced by another"
        case .heartbeats(let count, let meanGap, let longestGap):
            return "heard \(count) heartbeats, mean gap \(meanGap.inMilliseconds), longest \(longestGap.inMilliseconds)"
        case .phiCrossed(let phi, let silence):
            return "phi \(Double(Int(min(phi, 1e6) * 100)) / 100) over the threshold after \(silence.inMilliseconds) of silence"
        case .checkStarted(let why, let dials, let helpers):
            let asked = helpers.isEmpty ? "" : ", asked " + helpers.joined(separator: ", ")
            return "checking (\(why)): \(dials) fresh dials\(asked)"
        case .probed(let helper, let outcome):
            return "probe \(helper.map { "through \($0)" } ?? "by us"): \(outcome.words)"
        case .judgementHeld: return "no probe was answered, but our own loop had paused: judgement held"
        case .accusedByUs(let reason): return "accused by us: \(reason)"
        case .retractedByUs: return "our accusation retracted"
        case .accused(let accuser, let reason): return "accused by \(accuser): \(reason)"
        case .verdict(let accuser): return "\(accuser) declared it dead"
        case .judges(let names): return "judged by \(names.joined(separator: ", "))"
        case .retracted(let accuser): return "\(accuser) retracted its accusation"
        case .accusedUs: return "it accused us"
        case .suspected: return "suspect"
        case .heldForDead: return "dead, as we were told when we first heard of it"
        case .declaredDead(let reason, let accusing, let judges):
            return "dead: \(reason) (\(accusing) of \(judges) judges accuse it)"
        case .declaredAlive: return "alive"
        case .refuted(let incarnation): return "refuted with incarnation \(incarnation)"
        case .restarted(let generation): return "restarted as generation \(generation)"
        case .left: return "left"
        case .ownPause(let duration): return "our own loop paused for \(duration.inMilliseconds): not judged for that time"
        }
    }
}

extension ProbeOutcome {
    var words: String {
        switch self {
        case .answered: return "answered"
        case .refused: return "refused"
        case .unreachable: return "no answer"
        case .otherIdentity: return "another node answered"
        case .newerGeneration(let generation): return "generation \(generation) answered"
        }
    }
}

/// The last entries of one story.
struct StoryRing: Sendable {
    private var entries: [StoryEntry] = []
    private var oldest = 0

    /// Adds an entry; the oldest leaves a story of `limit` entries.
    mutating func append(_ entry: StoryEntry, limit: Int) {
        if self.entries.count > limit {
            self.entries = Array(self.inOrder.suffix(limit))
            self.oldest = 0
        }
        if self.entries.count < limit {
            if self.oldest != 0 {
                self.entries = self.inOrder
                self.oldest = 0
            }
            self.entries.append(entry)
        } else {
            self.entries[self.oldest] = entry
            self.oldest = (self.oldest + 1) % self.entries.count
        }
    }

    var inOrder: [StoryEntry] {
        Array(self.entries[self.oldest...] + self.entries[..<self.oldest])
    }
}

/// Heartbeats that were heard since the story last told of them.
struct HeartbeatTally: Sendable {
    var count = 0
    var sum: Int64 = 0
    var longest: Int64 = 0

    mutating func record(gap: Int64) {
        self.count += 1
        self.sum += gap
        self.longest = max(self.longest, gap)
    }

    var event: StoryEvent? {
        guard self.count > 0 else { return nil }
        return .heartbeats(
            count: self.count,
            meanGap: .microseconds(self.sum / Int64(self.count)),
            longestGap: .microseconds(self.longest)
        )
    }
}
