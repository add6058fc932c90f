// SPDX-License-Identifier: Apache-2.0
// What stands around a simulation for applications: handlers with their inboxes, events and the trace. One caller at a time.
//
// Happy path of a call: an engine tells of a delta or a member -> the inboxes of that node's handlers -> the node is pending ->
// the simulation stops -> the calls are handed out, to be made outside -> the simulation goes on.

internal import DequeModule
internal import GoferBroke
internal import GoferBrokeConfiguration
internal import GoferBrokeMembership

/// The newest of a row of things; how many older ones were dropped for them.
struct NewestFew<Element> {
    let capacity: Int
    private(set) var elements = Deque<Element>()
    private(set) var droppedCount = 0

    init(capacity: Int) {
        self.capacity = max(capacity, 0)
    }

    mutating func append(_ element: Element) {
        if self.elements.count >= self.capacity {
            self.droppedCount += 1
            guard self.elements.popFirst() != nil else { return }
        }
        self.elements.append(element)
    }
}

/// A call that has to be made.
struct PendingCall: Sendable {
    let slot: Int32
    /// The life of the node that it belongs to: it is void in a later one.
    let life: UInt32
    let handler: any GossipHandler
    let call: HandlerCall
}

final class ClusterHost {
    struct HostedHandler {
        let handler: any GossipHandler
        let group: DeltaLabel
        var inbox = HandlerInbox()
    }

    struct HostedNode {
        var handlers: [HostedHandler] = []
        var makeHandlers: @Sendable () -> [any GossipHandler]
        var events = NewestFew<SimulatedNode.Event>(capacity: SimulatedNode.eventCountMax)
        /// How the last life ended, where the node did not end it itself.
        var end = SimulatedNode.Status.killed
    }

    enum Progress: Sendable {
        case reached
        /// There is more to do: the caller may let others run first.
        case paused
        case calls([PendingCall])
        case violated(Violation)
    }

    let simulation: Simulation
    var nodes: [HostedNode] = []
    private(set) var lines: NewestFew<String>
    /// Nodes whose handlers may have something to do.
    private var pending: Set<Int32> = []
    /// What arises from a round of calls is taken a microsecond later: so handlers that answer each other don't stop time.
    private var callsNotBefore: UInt64 = 0
    private var isRunning = false

    init(_ options: SimulatedCluster.Options) {
        var inner = SimulationOptions(seed: options.seed)
        inner.cluster = options.configuration
        inner.delay = options.delay
        inner.bandwidth = options.bandwidth
        inner.makeDetector = options.detector.make
        self.simulation = Simulation(inner)
        self.simulation.deaths.isFatal = options.isFalseDeathFatal
        self.lines = NewestFew(capacity: options.traceLineCount)
        // The host owns the simulation, which calls these only while it is called by the host.
        self.simulation.onMember = { [unowned self] place, member, news in self.onMember(member, news, at: place) }
        self.simulation.onEvent = { [unowned self] place, event in self.onEvent(event, at: place) }
        self.simulation.onConfiguration = { [unowned self] place, event in self.note(GossipEvent(event), at: place) }
        if options.traceLineCount > 0 {
            self.simulation.trace = { [unowned self] time, line in
                self.lines.append("[\(Double((time - 1_000_000) / 1_000) / 1_000)] \(line)")
            }
        }
    }

    // MARK: Time

    func beginRun() -> Bool {
        guard !self.isRunning else { return false }
        self.isRunning = true
        return true
    }

    func endRun() {
        self.isRunning = false
    }

    /// Goes on to `end`, until handlers have to be called, a rule was broken, or `stepCount` events were handled.
    func advance(until end: UInt64, stepCount: Int) -> Progress {
        var stepsLeft = stepCount
        while true {
            if let violation = self.simulation.violations.first { return .violated(violation) }
            let calls = self.takeCalls()
            guard calls.isEmpty else { return .calls(calls) }
            guard stepsLeft > 0 else { return .paused }
            stepsLeft -= 1
            // Between two rounds of calls nothing else may be due.
            let isCallDue = !self.pending.isEmpty && self.callsNotBefore > self.simulation.now && self.callsNotBefore <= end
            if self.simulation.step(until: isCallDue ? self.callsNotBefore : end) { continue }
            guard isCallDue else { break }
            self.simulation.now = self.callsNotBefore
        }
        self.simulation.now = max(self.simulation.now, end)
        return .reached
    }

    // MARK: Lives

    func start(_ place: NodePlace, _ start: Simulation.Start, _ handlers: [any GossipHandler]) {
        // A new process: what waited for the handlers of the one before is gone with it.
        self.nodes[Int(place.slot)].handlers = handlers.map { HostedHandler(handler: $0, group: $0.keyGroup) }
        place.watchedGroups = Set(handlers.map(\.keyGroup))
        self.simulation.start(place, start)
        if !handlers.isEmpty {
            self.pending.insert(place.slot)
        }
    }

    /// The first three others: whom to join through unless told otherwise.
    func usualSeeds(for slot: Int32) -> [Int32] {
        Array(self.simulation.places.lazy.map(\.slot).filter { $0 != slot }.prefix(3))
    }

    func status(of slot: Int32) -> SimulatedNode.Status {
        let place = self.simulation.places[Int(slot)]
        guard place.isRunning else { return self.nodes[Int(slot)].end }
        if place.isFrozen { return .frozen }
        if place.isLeaving { return .leaving }
        return place.isJoined ? .joined : .joining
    }

    // MARK: Handlers

    /// One call for each handler that has any, in the order of nodes and, of a node, of handlers.
    private func takeCalls() -> [PendingCall] {
        guard !self.pending.isEmpty, self.simulation.now >= self.callsNotBefore else { return [] }
        var calls: [PendingCall] = []
        for slot in self.pending.sorted() {
            let place = self.simulation.places[Int(slot)]
            guard let engine = place.engine else {
                self.pending.remove(slot)
                continue
            }
            if place.isFrozen { continue }
            if place.busyUntil > self.simulation.now {
                self.simulation.planWork(place)
                continue
            }
            for index in self.nodes[Int(slot)].handlers.indices {
                guard let call = self.takeCall(slot, index, place, engine) else { continue }
                let handler = self.nodes[Int(slot)].handlers[index].handler
                calls.append(PendingCall(slot: slot, life: place.life, handler: handler, call: call))
            }
            if self.nodes[Int(slot)].handlers.allSatisfy(\.inbox.isEmpty) {
                self.pending.remove(slot)
            }
        }
        if !calls.isEmpty {
            self.callsNotBefore = self.simulation.now + 1
        }
        return calls
    }

    private func takeCall(_ slot: Int32, _ index: Int, _ place: NodePlace, _ engine: EngineHandle) -> HandlerCall? {
        while let step = self.nodes[Int(slot)].handlers[index].inbox.take() {
            switch step {
            case .members:
                for member in engine.members {
                    self.nodes[Int(slot)].handlers[index].inbox.offer(member)
                }
            case .list(let mark):
                let group = self.nodes[Int(slot)].handlers[index].group
                let deltas = engine.members.flatMap { engine.deltas(of: $0.name, lane: .user) ?? [] }.filter { $0.group == group }
                self.nodes[Int(slot)].handlers[index].inbox.merge(deltas, mark: mark)
            case .call(let call): return call
            }
        }
        return nil
    }

    /// Whether the process that a call belongs to is still there.
    func isCurrent(_ call: PendingCall) -> Bool {
        let place = self.simulation.places[Int(call.slot)]
        return place.isRunning && place.life == call.life
    }

    func tell(_ line: String) {
        self.simulation.tell { line }
    }

    // MARK: What engines tell

    private func onMember(_ member: GoferBroke.Member, _ news: MemberNews, at place: NodePlace) {
        var member = member
        member.phi = place.detector.phi(of: member.name, at: self.detectorTime(place))
        self.offer(at: place) { handler in
            if news == .forgotten {
                handler.inbox.forget(member.name, lane: .user)
            }
            handler.inbox.offer(member)
        }
        self.note(GossipEvent(member, news), at: place)
    }

    private func onEvent(_ event: NodeEvent, at place: NodePlace) {
        switch event {
        case .delta(let news):
            guard news.lane == .user else { return }
            self.offer(at: place) { handler in
                if handler.group == news.group {
                    handler.inbox.offer(news)
                }
            }
        case .lagged(let count):
            self.offer(at: place) { $0.inbox.lag() }
            self.note(.lagged(count), at: place)
        case .joined(let memberCount): self.note(.joined(memberCount: memberCount), at: place)
        case .seedFailed(let seed, let error): self.note(.seedFailed(seed, error), at: place)
        case .generation(let generation): self.note(.generationChanged(generation), at: place)
        case .load(let load): self.note(.load(load), at: place)
        case .limit(let error, let participant): self.note(.limitReached(error, participant: participant), at: place)
        case .stopped(let error): self.nodes[Int(place.slot)].end = .refused(error)
        case .left: self.nodes[Int(place.slot)].end = .left
        case .member, .exchange, .fact, .client: break
        }
    }

    private func offer(at place: NodePlace, _ body: (inout HostedHandler) -> Void) {
        var isPending = false
        for index in self.nodes[Int(place.slot)].handlers.indices {
            body(&self.nodes[Int(place.slot)].handlers[index])
            isPending = isPending || !self.nodes[Int(place.slot)].handlers[index].inbox.isEmpty
        }
        if isPending {
            self.pending.insert(place.slot)
        }
    }

    private func note(_ event: GossipEvent, at place: NodePlace) {
        let time = Duration.microseconds(Int64(self.simulation.now - 1_000_000))
        self.nodes[Int(place.slot)].events.append(SimulatedNode.Event(time: time, event: event))
    }

    // MARK: Looking

    /// False deaths, where they don't end the run.
    var falseDeaths: [Violation] {
        guard !self.simulation.deaths.isFatal else { return [] }
        return self.simulation.deaths.falseDeaths.map { death in
            let (observer, target) = (self.simulation.places[Int(death.observer)].name, self.simulation.places[Int(death.target)].name)
            let text = "\(target)@\(death.generation) runs and can be reached"
            return Violation(kind: .falseDeath, time: Double(death.time - 1_000_000) / 1e6, observer: observer, text: text)
        }
    }

    func detectorTime(_ place: NodePlace) -> DetectorTime {
        DetectorTime(microseconds: place.clock(self.simulation.now))
    }

    func members(of slot: Int32) -> [GoferBroke.Member] {
        let place = self.simulation.places[Int(slot)]
        guard let engine = place.engine else { return [] }
        let (time, links) = (self.detectorTime(place), engine.statistics.linksOpen)
        return engine.members
            .map { $0.completed(by: place.detector.member($0.name, at: time), ownLinks: links) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    func explain(_ name: String, at slot: Int32) -> [String] {
        let place = self.simulation.places[Int(slot)]
        let known = self.members(of: slot).first { $0.name.utf8.elementsEqual(name.utf8) }
        guard let member = known else { return [] }
        return Explanation(of: name, by: place.detector, at: self.detectorTime(place)).lines(of: member)
    }
}
