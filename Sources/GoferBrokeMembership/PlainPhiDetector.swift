// SPDX-License-Identifier: Apache-2.0
// The baseline for comparison: phi accrual as it is commonly used, and nothing beside it.
//
// Happy path: heartbeats fill the windows, `tick` finds phi low everywhere, nothing comes out.
// A silent peer: phi over the threshold -> dead, and everybody is told. Heard again, or refuting -> alive.

/// Plain phi accrual on the heartbeats of links (Hayashibara, Défago, Yared, Katayama: "The phi Accrual Failure Detector", SRDS
/// 2004), as Akka and Cassandra use it: a node declares a peer that it monitors dead when phi exceeds the threshold, and the others
/// take its word.
///
/// It is the baseline that `PhiAccrualDetector` is compared with, and no more: no checks before accusing, no other node asked, no
/// majority of judges, no suspicion time beyond the threshold, no allowance for a pause of the judge's own loop, no local health. Of
/// two stalled nodes each buries the cluster. Don't use it where a false death costs anything.
///
/// Transitions of a member within one life (generation); a greater generation starts again at alive:
///
///     alive -> dead    phi over the threshold here, or an accusation with a verdict by a live member
///     dead  -> alive   a heartbeat, a greater incarnation, or the last verdict was taken back
///     any   -> left    it said goodbye
///     left  -> alive   a greater incarnation or generation that has not left
///
/// A death is told by an accusation that the carrier publishes with its verdict. Accusations without a verdict mean nothing here.
///
/// Monitored are the members that have had a link that this node did not close itself, and its ring neighbours: one that never had a
/// link is given the time of a first heartbeat.
///
/// Bounds: as `PhiAccrualDetector`'s. A tick costs O(monitored members).
public struct PlainPhiDetector: FailureDetector {
    /// Verdicts kept of one target.
    static let verdictsPerTarget = 32
    /// Verdicts kept that name a node not known yet.
    static let earlyVerdicts = 1_024

    /// What is known of a member.
    struct Peer: Sendable {
        var generation: UInt64 = 0
        var incarnation: UInt64 = 0
        var isUsed = false
        var hasDetector = false
        var isDiallable = false
        var status = MemberStatus.alive
        var isLinked = false
        /// Whether this node's own verdict of it stands.
        var isAccusedByUs = false
        var isOnRings = false
        /// Verdicts of others, those that don't count now among them.
        var verdicts: [Accusation] = []
        var story = StoryRing()
    }

    /// The heartbeats of a monitored member.
    struct Watch: Sendable {
        let slot: Int32
        var window: HeartbeatWindow
        /// When the last heartbeat came, or the wait for the first one began.
        var since: DetectorTime
        /// The next heartbeat ends no interval: there was none before, or the silence was over the threshold.
        var isFirst = true
        var roundTrip: Duration?
        var tally = HeartbeatTally()
    }

    /// The settings in force, within their ranges.
    public private(set) var settings: DetectorSettings
    var timing: Timing
    var clock = DetectorTime.zero
    var generation: UInt64
    var names: [String]
    var peers = [Peer()]
    var index: [NameKey: Int32]
    var freeSlots: [Int32] = []
    let selfSlot: Int32 = 0
    var rings = RingSet()
    var areRingsChanged = true
    /// The monitored members, by slot.
    var watches: [Watch] = []
    var early: [Accusation] = []
    var actions: [DetectorAction] = []

    /// What it did so far.
    public internal(set) var statistics = DetectorStatistics()

    /// A detector for the node `name` in its life `generation`. It has no use for the seed: it throws no dice.
    public init(name: String, generation: UInt64, settings: DetectorSettings = DetectorSettings(), seed: UInt64) {
        self.settings = settings.clamped()
        self.timing = Timing(self.settings)
        self.generation = generation
        self.names = [name]
        self.index = [NameKey(name): 0]
        self.rings.insert(0, names: self.names)
    }

    /// This node's name.
    public var name: String {
        self.names[Int(self.selfSlot)]
    }

    /// 0: it never doubts itself.
    public var localHealth: Int {
        0
    }

    /// Takes one fact and returns what must be done now, in order.
    public mutating func handle(_ input: DetectorInput, now time: DetectorTime) -> [DetectorAction] {
        let now = max(time, self.clock)
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
        case .accusation(let accusation):
            self.noteAccusation(accusation, now: now)
        case .retraction(let accuser, let target):
            self.noteRetraction(accuser: accuser, target: target, now: now)
        case .selfAccused(let accuser):
            if let slot = self.slot(of: accuser) {
                self.tell(slot, .accusedUs, now: now)
            }
        case .tick:
            self.tick(now: now)
        case .settingsChanged(let settings):
            self.changeSettings(settings, now: now)
        case .activity, .probeResult:
            // Only heartbeats count, and no probe was asked for.
            break
        }
        var result: [DetectorAction] = []
        swap(&result, &self.actions)
        return result
    }

    // MARK: - Time

    private mutating func tick(now: DetectorTime) {
        self.refreshWatches(now: now)
        for place in self.watches.indices where self.peers[Int(self.watches[place].slot)].status == .alive {
            let silence = now.micros(since: self.watches[place].since)
            let isLate = Double(silence - self.timing.acceptablePause) > self.watches[place].window.mean
            // Before the mean interval and the allowed pause are over, phi is below 0.31, and the threshold is 1 at least.
            guard isLate else { continue }
            let phi = self.phi(self.watches[place], at: now)
            if phi > self.settings.phiThreshold {
                let slot = self.watches[place].slot
                self.tell(slot, .phiCrossed(phi: phi, silence: .microseconds(silence)), now: now)
                self.bury(slot, now: now)
            }
        }
    }

    /// Ring neighbours are monitored also before they have a link.
    private mutating func refreshWatches(now: DetectorTime) {
        guard self.areRingsChanged else { return }
        self.areRingsChanged = false
        for slot in self.rings.neighbors(of: self.selfSlot, names: self.names) {
            self.watch(slot, now: now)
        }
    }

    private mutating func watch(_ slot: Int32, now: DetectorTime) {
        let place = self.watchPlace(of: slot)
        guard place == self.watches.count || self.watches[place].slot != slot, self.peers[Int(slot)].status == .alive else { return }
        self.watches.insert(Watch(slot: slot, window: self.makeWindow(), since: now), at: place)
    }

    mutating func unwatch(_ slot: Int32) {
        if let place = self.watchIndex(of: slot) {
            self.watches.remove(at: place)
        }
    }

    func watchIndex(of slot: Int32) -> Int? {
        let place = self.watchPlace(of: slot)
        return place < self.watches.count && self.watches[place].slot == slot ? place : nil
    }

    /// The first place that does not hold a lesser slot; a handful are watched.
    private func watchPlace(of slot: Int32) -> Int {
        self.watches.firstIndex { $0.slot >= slot } ?? self.watches.count
    }

    private func makeWindow() -> HeartbeatWindow {
        HeartbeatWindow(capacity: self.settings.windowSize, expectedInterval: self.timing.heartbeatInterval)
    }

    private mutating func changeSettings(_ new: DetectorSettings, now: DetectorTime) {
        let old = self.settings
        self.settings = new.clamped()
        self.timing = Timing(self.settings)
        let isRhythmNew =
            old.heartbeatInterval != self.settings.heartbeatInterval || old.windowSize != self.settings.windowSize
        guard isRhythmNew else { return }
        for place in self.watches.indices {
            self.watches[place] = Watch(slot: self.watches[place].slot, window: self.makeWindow(), since: now)
        }
    }

    // MARK: - Links

    private mutating func openLink(_ name: String, generation: UInt64, now: DetectorTime) {
        guard let slot = self.slot(of: name, generation: generation) else { return }
        self.peers[Int(slot)].isLinked = true
        self.tell(slot, .linkOpened, now: now)
        self.watch(slot, now: now)
    }

    private mutating func closeLink(_ name: String, generation: UInt64, cause: LinkCloseCause, now: DetectorTime) {
        guard let slot = self.slot(of: name, generation: generation) else { return }
        self.tell(slot, .linkClosed(cause), now: now)
        guard cause != .replaced else { return }
        self.peers[Int(slot)].isLinked = false
        if cause == .closedByUs {
            self.unwatch(slot)
            self.areRingsChanged = true
        }
    }

    private mutating func noteHeartbeat(_ name: String, generation: UInt64, roundTrip: Duration?, now: DetectorTime) {
        guard let slot = self.slot(of: name, generation: generation) else { return }
        self.peers[Int(slot)].isLinked = true
        if self.peers[Int(slot)].status == .dead {
            self.revive(slot, now: now)
        }
        self.watch(slot, now: now)
        guard let place = self.watchIndex(of: slot) else { return }
        if !self.watches[place].isFirst {
            let gap = now.micros(since: self.watches[place].since)
            self.watches[place].window.record(gap)
            self.watches[place].tally.record(gap: gap)
        }
        self.watches[place].isFirst = false
        self.watches[place].since = now
        if let roundTrip {
            self.watches[place].roundTrip = roundTrip
        }
    }

    func phi(_ watch: Watch, at now: DetectorTime) -> Double {
        watch.window.phi(
            silence: now.micros(since: watch.since),
            minimumDeviation: self.timing.minimumDeviation,
            acceptablePause: self.timing.acceptablePause
        )
    }

    // MARK: - Slots

    func slot(of name: String) -> Int32? {
        guard let slot = self.index[NameKey(name)], slot != self.selfSlot else { return nil }
        return slot
    }

    /// The slot of a member in exactly that life, if it has not left.
    func slot(of name: String, generation: UInt64) -> Int32? {
        guard let slot = self.slot(of: name), self.peers[Int(slot)].generation == generation else { return nil }
        return self.peers[Int(slot)].status == .left ? nil : slot
    }

    mutating func tell(_ slot: Int32, _ event: StoryEvent, now: DetectorTime) {
        if let place = self.watchIndex(of: slot), let heartbeats = self.watches[place].tally.event {
            self.watches[place].tally = HeartbeatTally()
            self.peers[Int(slot)].story.append(StoryEntry(time: now, event: heartbeats), limit: self.settings.storyLength)
        }
        self.peers[Int(slot)].story.append(StoryEntry(time: now, event: event), limit: self.settings.storyLength)
    }
}
