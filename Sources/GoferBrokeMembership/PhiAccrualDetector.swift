// SPDX-License-Identifier: Apache-2.0
// The failure detector: state, the one door in, and its own clock.
//
// Happy path: heartbeats fill the windows, `tick` finds phi low everywhere, nothing comes out.
// A silent peer: phi over the threshold -> check (fresh dials, other monitors asked) -> nobody answers -> accuse; the other
// judges see it, dial it themselves, accuse too -> a majority for the suspicion time -> dead. If anything is heard -> retract.
// A killed peer: link closed by its host -> check -> refused -> accuse as crashed at once; a majority of those is proof.
// Our own trouble: a gap between ticks moves every clock on by the gap and holds judgement; others' doubts stretch our timeouts.
// A split: whom our component does not watch is dialled by its judges among us, then accused; each side buries the other.

/// Phi accrual on links, checks before accusations, deaths by a majority of the judges.
///
/// Transitions of a member within one life (generation); a greater generation starts again at alive:
///
///     alive   -> suspect   the first accusation that counts
///     suspect -> alive     none counts any longer, or a greater incarnation
///     suspect -> dead      its judges decided, or its end was proved (`declareDead` alone)
///     alive   -> dead      proof alone: a later life answered
///     dead    -> suspect   evidence of life, and the judges' majority is gone, but some still accuse
///     dead    -> alive     evidence of life and nobody accuses, or a greater incarnation
///     any     -> left      it said goodbye
///     left    -> alive     a greater incarnation or generation that has not left
///
/// Evidence of life is: anything heard from it, an answered probe, a retraction. That its accusers went away is none:
/// the dead stay dead when those who saw it die leave.
///
/// Bounds: state is proportional to the members that the map holds, 32 accusations and `storyLength` entries for each, and
/// 1,024 accusations of or by nodes not known yet. A tick costs O(links + suspects); the component is computed again only
/// after accusations, members or proofs of reachability changed, at most once a tick.
public struct PhiAccrualDetector: FailureDetector {
    /// Accusations kept of one target; those by nodes that do not judge it make place first.
    static let accusationsPerTarget = 32
    /// Accusations kept that name a node not known yet.
    static let earlyAccusations = 1_024
    /// One start of a check, in the units of the bucket.
    static let token: Int64 = 1_000_000

    /// The settings in force, within their ranges.
    public internal(set) var settings: DetectorSettings
    var timing: Timing
    var random: DetectorRandom

    var clock = DetectorTime.zero
    var lastTick: DetectorTime?
    /// What was asked for last, in microseconds.
    var tickPeriod: Int64
    /// When something was last going on that needs all ticks.
    var lastStir = DetectorTime.zero
    var holdUntil = DetectorTime.zero
    var health = LocalHealth()
    /// The slowest round trip of a heartbeat lately, over all links.
    var slowestTrip: Int64 = 0
    /// When a member last came back from suspicion or death.
    var lastReprieve: DetectorTime?
    var tokens: Int64
    var tokensAt = DetectorTime.zero

    var records: [MemberRecord] = []
    var names: [String] = []
    var index: [NameKey: Int32] = [:]
    var freeSlots: [Int32] = []
    var details: [MemberDetail] = []
    var freeDetails: [Int32] = []
    let selfSlot: Int32 = 0

    /// Live members with a detector, self included.
    var liveRings = RingSet()
    /// Live members without one.
    var bystanders = SlotList()
    /// Whom this node watches: its neighbours among the live.
    var watched: [Int32] = []
    var isWatchedStale = true

    var linked = SlotList()
    /// No link can be too silent before that.
    var linksQuietUntil = DetectorTime.zero
    var checked = SlotList()
    var held = SlotList()
    var suspects = SlotList()
    var deceased = SlotList()
    /// Members of whom at least one accusation is kept.
    var accused = SlotList()
    /// Members whom this node accuses.
    var accusedByUs = SlotList()
    /// Members who were proved reachable within the lifetime of such a proof.
    var reached = SlotList()
    var early: [Accusation] = []
    var urgentQueue = SlotQueue()
    var bulkQueue = SlotQueue()
    var urgentQueued = SlotList()
    var bulkQueued = SlotList()

    var isComponentStale = true
    var componentEpoch: UInt64 = 1
    /// No accusation cuts anybody off: `componentRings` and `inComponent` are not kept then.
    var isEverybodyInComponent = true
    var inComponent: [Bool] = []
    var componentRings = RingSet()
    /// `liveRings.edges`, while they are needed; empty: not made, or the rings have changed.
    var ringEdges: [Int32] = []
    /// Suspects, outsiders and dead members who are ours to judge.
    var opinions: [Int32] = []
    /// How often opinions were collected.
    var opinionRound: UInt64 = 0

    var actions: [DetectorAction] = []

    /// What it did so far.
    public internal(set) var statistics = DetectorStatistics()

    /// A detector for the node `name` in its life `generation`. The seed chooses helpers only; any will do.
    public init(name: String, generation: UInt64, settings: DetectorSettings = DetectorSettings(), seed: UInt64) {
        let settings = settings.clamped()
        self.settings = settings
        self.timing = Timing(settings)
        self.random = DetectorRandom(seed: seed)
        self.tokens = Int64(settings.probeBurst) * Self.token
        self.tickPeriod = self.timing.tickInterval
        var own = MemberRecord()
        own.generation = generation
        own.isUsed = true
        own.hasDetector = true
        own.isOnRings = true
        self.records = [own]
        self.names = [name]
        self.index = [NameKey(name): 0]
        self.liveRings.insert(0, names: self.names)
    }

    /// This node's name.
    public var name: String {
        self.names[Int(self.selfSlot)]
    }

    /// 0 (well) to 8: how far this node stretches its own timeouts.
    public var localHealth: Int {
        self.health.value
    }

    /// Takes one fact and returns what must be done now, in order.
    public mutating func handle(_ input: DetectorInput, now time: DetectorTime) -> [DetectorAction] {
        let now = max(time, self.clock)
        self.noticeOwnPause(now: now)
        self.refill(now: now)
        self.clock = now

        switch input {
        case .selfUpdated(let name, let generation):
            self.updateSelf(name: name, generation: generation)
        case .memberUpdated(let member):
            self.updateMember(member, now: now)
        case .memberForgotten(let name):
            self.forgetMember(name)
        case .linkOpened(let name, let generation):
            self.openLink(name, generation: generation, now: now)
        case .linkClosed(let name, let generation, let cause):
            self.closeLink(name, generation: generation, cause: cause, now: now)
        case .heartbeat(let name, let generation, let roundTrip):
            self.noteHeartbeat(name, generation: generation, roundTrip: roundTrip, now: now)
        case .activity(let name, let generation):
            self.noteActivity(name, generation: generation, now: now)
        case .probeResult(let target, let generation, let helper, let outcome, let duration):
            if helper == nil, let duration {
                self.noteAnswerTime(of: target, generation: generation, duration)
            }
            self.noteProbeResult(target: target, generation: generation, helper: helper, outcome: outcome, now: now)
        case .accusation(let accusation):
            self.noteAccusation(accusation, now: now)
        case .retraction(let accuser, let target):
            self.noteRetraction(accuser: accuser, target: target, now: now)
        case .selfAccused(let accuser):
            self.health.wasDoubted(now: now)
            if let slot = self.slot(of: accuser) {
                self.tell(slot, .accusedUs, now: now)
            }
        case .tick:
            self.tick(now: now)
        case .settingsChanged(let settings):
            self.changeSettings(settings)
        }

        self.startQueuedChecks(now: now)
        self.adaptTicks(now: now)
        var result: [DetectorAction] = []
        swap(&result, &self.actions)
        return result
    }

    // MARK: - Time

    private mutating func tick(now: DetectorTime) {
        self.lastTick = now
        self.health.settle(now: now, interval: self.timing.heartbeatInterval)
        self.refreshWatched()
        self.expireChecks(now: now)
        self.watchLinks(now: now)
        self.watchUnlinked(now: now)
        self.resumeHeld(now: now)
        self.expireReachability(now: now)
        let isChanged = self.isComponentStale
        if isChanged {
            self.computeComponent()
        }
        self.formOpinions(now: now)
        self.recheckAccused(now: now)
        self.judgeSuspects(now: now, isChanged: isChanged)
    }

    /// Where the loop did not run, nobody could be heard: every peer is given that time back, and judgement waits until they
    /// had a chance.
    private mutating func noticeOwnPause(now: DetectorTime) {
        guard let last = self.lastTick else {
            self.lastTick = now
            self.tokensAt = now
            return
        }
        let gap = now.micros(since: last)
        guard gap > self.tickPeriod + self.timing.latenessAllowed else { return }
        let pause = gap - self.tickPeriod
        self.statistics.ownPauses += 1
        self.lastTick = now
        self.health.missedDeadline(now: now)
        self.holdUntil = now.advanced(by: min(pause, self.timing.heartbeatInterval))
        for slot in self.records.indices where self.records[slot].isUsed {
            self.records[slot].lastLife = min(self.records[slot].lastLife.advanced(by: pause), now)
        }
        for slot in self.records.indices where self.records[slot].detail >= 0 {
            let detail = Int(self.records[slot].detail)
            self.details[detail].lastHeartbeat = nil
            self.details[detail].suspectSince = min(self.details[detail].suspectSince.advanced(by: pause), now)
            if let since = self.details[detail].majority?.since {
                self.details[detail].majority?.since = min(since.advanced(by: pause), now)
            }
            if let deadline = self.details[detail].check?.deadline {
                self.details[detail].check?.deadline = deadline.advanced(by: pause)
            }
            if self.details[detail].isLinked || self.details[detail].check != nil {
                self.tell(Int32(slot), .ownPause(.microseconds(pause)), now: now)
            }
        }
    }

    /// Asks for fewer ticks while nothing goes on, and for all of them as soon as something does.
    ///
    /// Links may be silent for seconds before they say anything: until shortly before, a tick changes nothing. Whoever is to be
    /// watched without a link is looked at with each tick.
    private mutating func adaptTicks(now: DetectorTime) {
        let isBusy =
            !self.checked.isEmpty || !self.held.isEmpty || !self.suspects.isEmpty || !self.reached.isEmpty
            || self.urgentQueue.count + self.bulkQueue.count > 0 || self.isComponentStale || now < self.holdUntil
            || self.health.value > 0
        if isBusy {
            self.lastStir = now
        }
        let calmPeriod = self.timing.calmTickInterval
        let last = self.tickPeriod == calmPeriod ? self.lastTick ?? now : now
        let next = last.advanced(by: calmPeriod)
        let isCalm =
            !isBusy && now.micros(since: self.lastStir) >= self.timing.heartbeatInterval && self.linksQuietUntil >= next
            && (self.tickPeriod == calmPeriod || self.watched.allSatisfy(self.linked.contains))
        let period = isCalm ? calmPeriod : self.timing.tickInterval
        guard period != self.tickPeriod else { return }
        self.tickPeriod = period
        // The next tick is counted from here.
        self.lastTick = now
        self.actions.append(.tick(every: .microseconds(period)))
    }

    var isHolding: Bool {
        self.clock < self.holdUntil
    }

    /// A timeout of ours, stretched by how unwell we are.
    func stretched(_ micros: Int64) -> Int64 {
        micros * self.health.multiplier
    }

    private mutating func changeSettings(_ new: DetectorSettings) {
        let old = self.settings
        self.settings = new.clamped()
        self.timing = Timing(self.settings)
        self.linksQuietUntil = .zero
        self.tokens = min(self.tokens, Int64(self.settings.probeBurst) * Self.token)
        let isRhythmNew =
            old.heartbeatInterval != self.settings.heartbeatInterval || old.windowSize != self.settings.windowSize
        guard isRhythmNew else { return }
        // Old intervals say nothing about the new rhythm, and the peer may have been told a moment later than we.
        for slot in self.linked.items {
            let detail = self.ensureDetail(slot)
            self.details[detail].window = self.makeWindow()
            self.details[detail].lastHeartbeat = nil
            self.records[Int(slot)].lastLife = self.clock
        }
    }

    func makeWindow() -> HeartbeatWindow {
        HeartbeatWindow(capacity: self.settings.windowSize, expectedInterval: self.timing.heartbeatInterval)
    }

    // MARK: - Slots

    func slot(of name: String) -> Int32? {
        self.index[NameKey(name)]
    }

    /// The slot of a member in exactly that life; nil for self, the unknown and other lives.
    func slot(of name: String, generation: UInt64) -> Int32? {
        guard let slot = self.slot(of: name), slot != self.selfSlot, self.records[Int(slot)].generation == generation else {
            return nil
        }
        return slot
    }

    func detail(_ slot: Int32) -> Int? {
        let detail = self.records[Int(slot)].detail
        return detail < 0 ? nil : Int(detail)
    }

    mutating func ensureDetail(_ slot: Int32) -> Int {
        if let detail = self.detail(slot) {
            return detail
        }
        if let free = self.freeDetails.popLast() {
            self.details[Int(free)] = MemberDetail()
            self.records[Int(slot)].detail = free
            return Int(free)
        }
        self.details.append(MemberDetail())
        self.records[Int(slot)].detail = Int32(self.details.count - 1)
        return self.details.count - 1
    }

    mutating func tell(_ slot: Int32, _ event: StoryEvent, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        if let heartbeats = self.details[detail].tally.event {
            self.details[detail].tally = HeartbeatTally()
            self.details[detail].story.append(StoryEntry(time: now, event: heartbeats), limit: self.settings.storyLength)
        }
        self.details[detail].story.append(StoryEntry(time: now, event: event), limit: self.settings.storyLength)
    }
}
