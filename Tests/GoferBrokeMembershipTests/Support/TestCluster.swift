// SPDX-License-Identifier: Apache-2.0
// N detectors in virtual time, and as much of an engine around each as carries their facts: lanes that travel, links along
// the rings, heartbeats, dials, freezes, cuts.

import GoferBrokeMembership

/// One membership lane as others know it.
struct Lane {
    var generation: UInt64
    var version: UInt64 = 1
    var incarnation: UInt64 = 0
    var hasLeft = false
    var accusations: [String: Accusation] = [:]

    func isNewer(than other: Lane) -> Bool {
        (self.generation, self.version) > (other.generation, other.version)
    }
}

struct Death: Equatable {
    var time: DetectorTime
    var observer: Int
    var target: String
    var reason: DeathReason
}

/// Deterministic: the same calls with the same seed give the same history.
final class TestCluster {
    final class Node {
        let name: String
        var detector: any FailureDetector
        var isRunning = true
        var isHostUp = true
        var isFrozen = false
        var isSick = false
        var lanes: [String: Lane]
        var links: [Int: UInt64] = [:]
        var dialled: Set<String> = []
        var deferred: [() -> Void] = []
        var desired: [Int] = []
        var isDesiredStale = true
        var tickInterval = Duration.milliseconds(100)
        var nextTick = DetectorTime.zero

        init(name: String, detector: any FailureDetector, generation: UInt64) {
            self.name = name
            self.detector = detector
            self.lanes = [name: Lane(generation: generation)]
        }
    }

    enum Event {
        case tick(Int, UInt64)
        case heartbeat(Int, Int, UInt64)
        case upkeep(Int, UInt64)
        case run(() -> Void)
    }

    var now = DetectorTime.zero
    var nodes: [Node] = []
    /// Directed pairs that hear nothing: from * 65,536 + to.
    private var blocked: Set<Int> = []
    var deaths: [Death] = []
    var accusationsPublished = 0
    var probes = 0
    private var heap: [(time: UInt64, order: UInt64, event: Event)] = []
    private var order: UInt64 = 0
    private var random: DetectorRandom
    private var indexOf: [String: Int] = [:]
    /// How many of a hundred packets are lost.
    var lossPercent: UInt64 = 0
    /// When the last bytes of each direction of a link arrive: later ones can't overtake them.
    private var arrivals: [Int: DetectorTime] = [:]
    /// How many links there have been between the two, the lesser index first.
    private var linkNumbers: [Int: UInt64] = [:]
    private let makeDetector: (String, UInt64, UInt64) -> any FailureDetector

    /// `count` nodes that know each other and are linked along the rings.
    init(
        _ count: Int,
        seed: UInt64 = 1,
        settings: DetectorSettings = DetectorSettings(),
        isBaseline: Bool = false
    ) {
        self.random = DetectorRandom(seed: seed)
        self.makeDetector = { name, generation, seed in
            if isBaseline {
                return PlainPhiDetector(name: name, generation: generation, settings: settings, seed: seed)
            }
            return PhiAccrualDetector(name: name, generation: generation, settings: settings, seed: seed)
        }
        for index in 0..<count {
            let name = "node-\(index + 1)"
            self.indexOf[name] = index
            let detector = self.makeDetector(name, 1, self.random.next())
            self.nodes.append(Node(name: name, detector: detector, generation: 1))
        }
        for node in self.nodes.indices {
            for other in self.nodes.indices where other != node {
                self.learn(node, self.nodes[other].name, Lane(generation: 1))
            }
            self.start(node)
        }
    }

    // MARK: - What the tests do

    func run(_ duration: Duration) {
        let end = self.now + duration
        while let first = self.heap.first, first.time <= end.microseconds {
            let event = self.pop()
            self.now = DetectorTime(microseconds: event.time)
            self.perform(event.event)
        }
        self.now = end
    }

    /// Runs until `condition` holds, at most for `limit`; returns whether it did.
    func run(atMost limit: Duration, until condition: () -> Bool) -> Bool {
        let end = self.now + limit
        while self.now < end {
            if condition() { return true }
            self.run(.milliseconds(10))
        }
        return condition()
    }

    /// SIGKILL: the host closes the links and refuses dials.
    func kill(_ index: Int) {
        self.nodes[index].isRunning = false
        let name = self.nodes[index].name
        let generation = self.nodes[index].lanes[name]?.generation ?? 0
        for peer in self.nodes[index].links.keys.sorted() {
            self.nodes[peer].links[index] = nil
            let cause: LinkCloseCause = self.random.next() & 1 == 0 ? .reset : .ended
            if self.canTalk(index, peer) {
                self.tell(peer, .linkClosed(name: name, generation: generation, cause: cause))
            }
        }
        self.nodes[index].links = [:]
    }

    /// The host vanishes: nothing is closed, nothing answers.
    func powerOff(_ index: Int) {
        self.nodes[index].isRunning = false
        self.nodes[index].isHostUp = false
    }

    func restart(_ index: Int) {
        let node = self.nodes[index]
        let generation = (node.lanes[node.name]?.generation ?? 0) + 1
        node.isRunning = true
        node.isHostUp = true
        node.detector = self.makeDetector(node.name, generation, self.random.next())
        node.lanes = [node.name: Lane(generation: generation)]
        node.links = [:]
        node.dialled = []
        node.isDesiredStale = true
        for seed in self.nodes.indices where seed != index && self.nodes[seed].isRunning && self.canTalk(seed, index) {
            self.exchange(index, seed)
            break
        }
        self.start(index)
    }

    func freeze(_ index: Int) {
        self.nodes[index].isFrozen = true
    }

    func thaw(_ index: Int) {
        let node = self.nodes[index]
        node.isFrozen = false
        if self.random.next() & 1 == 0 {
            // The timer may fire before what waits in the sockets is read.
            self.feed(index, .tick)
        }
        let waiting = node.deferred
        node.deferred = []
        for work in waiting {
            work()
        }
    }

    /// From `start` on, again and again: frozen for `duration`, then running for `interval`; running from `end` on.
    func freezeRepeatedly(_ index: Int, for duration: Duration, every interval: Duration, until end: DetectorTime) {
        guard self.now + duration <= end else { return }
        self.freeze(index)
        self.after(duration) {
            self.thaw(index)
            self.after(interval) { self.freezeRepeatedly(index, for: duration, every: interval, until: end) }
        }
    }

    func leave(_ index: Int) {
        let node = self.nodes[index]
        node.lanes[node.name]?.hasLeft = true
        self.publish(index)
        self.after(.milliseconds(20)) { self.kill(index) }
    }

    /// Nothing passes between the two sides, in either direction.
    func split(_ left: [Int], _ right: [Int]) {
        for a in left {
            for b in right {
                self.block(from: a, to: b)
                self.block(from: b, to: a)
            }
        }
    }

    func block(from: Int, to: Int) {
        self.blocked.insert(from << 16 | to)
    }

    func heal() {
        self.blocked = []
    }

    func status(of target: Int, at observer: Int) -> MemberStatus? {
        self.nodes[observer].detector.status(of: self.nodes[target].name)
    }

    func everyone(_ observers: [Int], sees status: MemberStatus, of targets: [Int]) -> Bool {
        observers.allSatisfy { observer in
            targets.allSatisfy { $0 == observer || self.status(of: $0, at: observer) == status }
        }
    }

    // MARK: - Events

    private func perform(_ event: Event) {
        switch event {
        case .tick(let index, let life):
            guard self.isLife(index, life) else { return }
            self.schedule(.milliseconds(100), .tick(index, life))
            if !self.nodes[index].isFrozen, self.now >= self.nodes[index].nextTick {
                self.nodes[index].nextTick = self.now + self.nodes[index].tickInterval
                self.feed(index, .tick)
            }
        case .heartbeat(let index, let peer, let link):
            guard self.linkNumbers[index << 16 | peer] == link, self.nodes[index].links[peer] != nil else { return }
            self.schedule(.milliseconds(1_900 + Int64(self.random.next() % 200)), .heartbeat(index, peer, link))
            if self.nodes[index].isRunning, !self.nodes[index].isFrozen, self.canTalk(index, peer) {
                self.sendHeartbeat(index, peer)
            }
        case .upkeep(let index, let life):
            guard self.isLife(index, life) else { return }
            self.schedule(.milliseconds(200), .upkeep(index, life))
            if !self.nodes[index].isFrozen {
                self.upkeep(index)
            }
        case .run(let work):
            work()
        }
    }

    private func isLife(_ index: Int, _ life: UInt64) -> Bool {
        self.nodes[index].isRunning && self.generation(index) == life
    }

    private func generation(_ index: Int) -> UInt64 {
        let node = self.nodes[index]
        return node.lanes[node.name]?.generation ?? 0
    }

    private func start(_ index: Int) {
        let life = self.generation(index)
        self.schedule(.microseconds(Int64(self.random.next() % 100_000)), .tick(index, life))
        self.schedule(.microseconds(Int64(self.random.next() % 1_000)), .upkeep(index, life))
    }

    /// The lesser index of a link asks, the other answers.
    private func sendHeartbeat(_ index: Int, _ peer: Int) {
        let own = self.nodes[index].name
        let other = self.nodes[peer].name
        self.deliver(to: peer, over: index) {
            self.feed(peer, .heartbeat(name: own, generation: self.knownGeneration(peer, own), roundTrip: nil))
            guard self.canTalk(peer, index) else { return }
            self.deliver(to: index, over: peer) {
                let generation = self.knownGeneration(index, other)
                self.feed(index, .heartbeat(name: other, generation: generation, roundTrip: .milliseconds(2)))
            }
        }
    }

    /// Links along the rings of who is not dead, one dead member dialled, one exchange with somebody.
    private func upkeep(_ index: Int) {
        let node = self.nodes[index]
        if node.isDesiredStale {
            node.isDesiredStale = false
            let members = self.nodes.map(\.name).filter { (node.detector.status(of: $0) ?? .left) < .dead }
            node.desired = RingPlacement.neighbors(of: node.name, among: members).compactMap { self.indexOf[$0] }
        }
        for peer in node.desired where node.links[peer] == nil {
            self.dialLink(index, peer)
        }
        if self.random.next() % 5 == 0 {
            let dead = self.nodes.indices.filter { node.detector.status(of: self.nodes[$0].name) == .dead }
            if !dead.isEmpty {
                self.dialLink(index, dead[Int(self.random.next() % UInt64(dead.count))])
            }
        }
        let peer = Int(self.random.next() % UInt64(self.nodes.count))
        let isReachable =
            self.nodes[peer].isRunning && !self.nodes[peer].isFrozen && self.canTalk(index, peer) && self.canTalk(peer, index)
        if self.random.next() % 4 == 0, peer != index, isReachable, node.lanes[self.nodes[peer].name] != nil {
            self.exchange(index, peer)
        }
    }

    private func dialLink(_ index: Int, _ peer: Int) {
        let other = self.nodes[peer]
        guard self.nodes[index].links[peer] == nil, other.isRunning, !other.isFrozen, self.canTalk(index, peer), self.canTalk(peer, index)
        else { return }
        guard !(self.nodes[index].lanes[other.name]?.hasLeft ?? false) else { return }
        self.exchange(index, peer)
        let node = self.nodes[index]
        node.links[peer] = self.generation(peer)
        other.links[index] = self.generation(index)
        node.dialled.insert(other.name)
        let (lesser, greater) = (min(index, peer), max(index, peer))
        self.linkNumbers[lesser << 16 | greater, default: 0] += 1
        let number = self.linkNumbers[lesser << 16 | greater] ?? 0
        // As the engine: the first within half an interval, whatever other links do.
        self.schedule(.microseconds(Int64(self.random.next() % 1_000_000)), .heartbeat(lesser, greater, number))
        self.feed(index, .linkOpened(name: other.name, generation: self.generation(peer)))
        self.announce(index, other.name)
        self.feed(peer, .linkOpened(name: node.name, generation: self.generation(index)))
    }

    // MARK: - Lanes

    private func exchange(_ a: Int, _ b: Int) {
        for origin in self.nodes {
            if let lane = self.nodes[a].lanes[origin.name] {
                self.learn(b, origin.name, lane)
            }
            if let lane = self.nodes[b].lanes[origin.name] {
                self.learn(a, origin.name, lane)
            }
        }
    }

    private func publish(_ index: Int) {
        let node = self.nodes[index]
        node.lanes[node.name]?.version += 1
        guard let lane = node.lanes[node.name] else { return }
        for peer in self.nodes.indices where peer != index && self.canTalk(index, peer) {
            self.deliver(to: peer) { self.learn(peer, node.name, lane) }
        }
    }

    private func learn(_ index: Int, _ origin: String, _ lane: Lane) {
        let node = self.nodes[index]
        guard origin != node.name else { return }
        let old = node.lanes[origin]
        if let old, !lane.isNewer(than: old) { return }
        node.lanes[origin] = lane
        if let old, old.generation < lane.generation {
            node.dialled.remove(origin)
            if let peer = self.indexOf[origin] {
                node.links[peer] = nil
            }
        }
        self.announce(index, origin)
        let before = old?.generation == lane.generation ? old?.accusations ?? [:] : [:]
        for target in before.keys.sorted() where lane.accusations[target] == nil {
            self.feed(index, .retraction(accuser: origin, target: target))
        }
        for (target, accusation) in lane.accusations.sorted(by: { $0.key < $1.key }) where before[target] != accusation {
            if target == node.name {
                self.refute(index, accusation)
            } else {
                self.feed(index, .accusation(accusation))
            }
        }
    }

    private func refute(_ index: Int, _ accusation: Accusation) {
        let node = self.nodes[index]
        guard var own = node.lanes[node.name], accusation.generation == own.generation else { return }
        self.feed(index, .selfAccused(by: accusation.accuser))
        guard accusation.incarnation >= own.incarnation else { return }
        own = node.lanes[node.name] ?? own
        own.incarnation = accusation.incarnation + 1
        node.lanes[node.name] = own
        self.publish(index)
    }

    private func announce(_ index: Int, _ name: String) {
        let node = self.nodes[index]
        guard let lane = node.lanes[name] else { return }
        node.isDesiredStale = true
        self.feed(
            index,
            .memberUpdated(
                Member(
                    name: name,
                    generation: lane.generation,
                    incarnation: lane.incarnation,
                    isDiallable: node.dialled.contains(name),
                    hasLeft: lane.hasLeft
                )
            )
        )
    }

    private func knownGeneration(_ index: Int, _ name: String) -> UInt64 {
        self.nodes[index].lanes[name]?.generation ?? 0
    }

    // MARK: - Actions

    private func feed(_ index: Int, _ input: DetectorInput) {
        guard self.nodes[index].isRunning else { return }
        for action in self.nodes[index].detector.handle(input, now: self.now) {
            self.perform(action, of: index)
        }
    }

    private func tell(_ index: Int, _ input: DetectorInput) {
        self.deliver(to: index) { self.feed(index, input) }
    }

    private func perform(_ action: DetectorAction, of index: Int) {
        let node = self.nodes[index]
        switch action {
        case .probe(let target, let generation, let timeout):
            self.probes += 1
            self.dial(index, target, generation, helper: nil, reportTo: index, timeout: timeout ?? .milliseconds(300))
        case .probeThrough(let helper, let target, let generation):
            guard let helperIndex = self.indexOf[helper] else { return }
            let isHelperThere =
                self.nodes[helperIndex].isRunning && !self.nodes[helperIndex].isFrozen && self.canTalk(index, helperIndex)
                && self.canTalk(helperIndex, index)
            if isHelperThere {
                self.dial(helperIndex, target, generation, helper: helper, reportTo: index)
            } else {
                self.report(index, target, generation, helper, .unreachable, after: .milliseconds(300))
            }
        case .accuse(let target, let generation, let incarnation, let reason):
            guard !node.isSick else { return }
            self.accusationsPublished += 1
            let accusation = Accusation(
                accuser: node.name,
                accuserGeneration: self.generation(index),
                target: target,
                generation: generation,
                incarnation: incarnation,
                reason: reason
            )
            node.lanes[node.name]?.accusations[target] = accusation
            self.publish(index)
        case .retract(let target):
            guard !node.isSick else { return }
            node.lanes[node.name]?.accusations[target] = nil
            self.publish(index)
        case .declareDead(let target, _, _, let reason):
            self.deaths.append(Death(time: self.now, observer: index, target: target, reason: reason))
            node.isDesiredStale = true
            if node.lanes[node.name]?.accusations[target] != nil {
                node.lanes[node.name]?.accusations[target]?.hasVerdict = true
                self.publish(index)
            }
            self.closeLink(index, target)
        case .declareAlive, .declareSuspect:
            node.isDesiredStale = true
        case .tick(let interval):
            node.tickInterval = interval
            node.nextTick = self.now + interval
        }
    }

    private func closeLink(_ index: Int, _ target: String) {
        guard let peer = self.indexOf[target], let generation = self.nodes[index].links.removeValue(forKey: peer) else { return }
        self.tell(index, .linkClosed(name: target, generation: generation, cause: .closedByUs))
        if self.nodes[peer].links.removeValue(forKey: index) != nil, self.canTalk(index, peer) {
            let own = self.nodes[index].name
            self.tell(peer, .linkClosed(name: own, generation: self.generation(index), cause: .ended))
        }
    }

    private func dial(
        _ from: Int,
        _ target: String,
        _ generation: UInt64,
        helper: String?,
        reportTo index: Int,
        timeout: Duration = .milliseconds(300)
    ) {
        guard let peer = self.indexOf[target] else { return }
        let node = self.nodes[peer]
        if !self.canTalk(from, peer) || !self.canTalk(peer, from) || !node.isHostUp || (node.isRunning && node.isFrozen) {
            self.report(index, target, generation, helper, .unreachable, after: timeout)
        } else if !node.isRunning {
            self.report(index, target, generation, helper, .refused, after: .milliseconds(1))
        } else if self.generation(peer) != generation {
            self.report(index, target, generation, helper, .newerGeneration(self.generation(peer)), after: .milliseconds(2))
        } else {
            // SYN and its answer are sent again after a second, HELLO and WELCOME after 200 ms.
            let time = (0..<2).reduce(Duration.milliseconds(2)) { sum, _ in sum + self.resending(from: .seconds(1)) + self.resending() }
            let isInTime = time < timeout
            self.report(index, target, generation, helper, isInTime ? .answered : .unreachable, after: min(time, timeout))
        }
    }

    private func report(
        _ index: Int,
        _ target: String,
        _ generation: UInt64,
        _ helper: String?,
        _ outcome: ProbeOutcome,
        after delay: Duration
    ) {
        self.after(delay) {
            self.tell(index, .probeResult(target: target, generation: generation, helper: helper, outcome: outcome))
        }
    }

    /// A node that accuses everybody, whatever its detector says, again after each refutation.
    func makeSick(_ index: Int) {
        self.nodes[index].isSick = true
        self.accuseEverybody(index)
    }

    private func accuseEverybody(_ index: Int) {
        let node = self.nodes[index]
        guard node.isRunning else { return }
        for (name, lane) in node.lanes where name != node.name {
            let accusation = Accusation(
                accuser: node.name,
                accuserGeneration: self.generation(index),
                target: name,
                generation: lane.generation,
                incarnation: lane.incarnation,
                reason: .crashed
            )
            node.lanes[node.name]?.accusations[name] = accusation
        }
        self.publish(index)
        self.after(.milliseconds(500)) { self.accuseEverybody(index) }
    }

    // MARK: - Network and queue

    private func canTalk(_ from: Int, _ to: Int) -> Bool {
        self.blocked.isEmpty || !self.blocked.contains(from << 16 | to)
    }

    /// 0.5 to 2.5 ms later, and as much more as TCP needs where packets are lost; a frozen node gets it when it thaws. What comes
    /// over a link from `peer` stays in order.
    private func deliver(to index: Int, over peer: Int? = nil, _ work: @escaping () -> Void) {
        var delay = Duration.microseconds(500 + Int64(self.random.next() % 2_000)) + self.resending()
        if let peer, self.lossPercent > 0 {
            let arrival = max(self.now + delay, self.arrivals[peer << 16 | index] ?? .zero)
            self.arrivals[peer << 16 | index] = arrival
            delay = arrival - self.now
        }
        self.after(delay) {
            guard self.nodes[index].isRunning else { return }
            if self.nodes[index].isFrozen {
                self.nodes[index].deferred.append(work)
            } else {
                work()
            }
        }
    }

    /// How long it takes until a packet gets through: each loss doubles the wait.
    private func resending(from first: Duration = .milliseconds(200)) -> Duration {
        var sum = Duration.zero
        var wait = first
        while self.lossPercent > 0, self.random.next() % 100 < self.lossPercent {
            sum += wait
            wait *= 2
        }
        return sum
    }

    func after(_ delay: Duration, _ work: @escaping () -> Void) {
        self.schedule(delay, .run(work))
    }

    private func schedule(_ delay: Duration, _ event: Event) {
        self.order += 1
        self.heap.append(((self.now + delay).microseconds, self.order, event))
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard self.isBefore(child, parent) else { break }
            self.heap.swapAt(child, parent)
            child = parent
        }
    }

    private func pop() -> (time: UInt64, order: UInt64, event: Event) {
        self.heap.swapAt(0, self.heap.count - 1)
        let first = self.heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < self.heap.count && self.isBefore(child, least) {
                least = child
            }
            if least == parent { break }
            self.heap.swapAt(parent, least)
            parent = least
        }
        return first
    }

    private func isBefore(_ a: Int, _ b: Int) -> Bool {
        (self.heap[a].time, self.heap[a].order) < (self.heap[b].time, self.heap[b].order)
    }
}
