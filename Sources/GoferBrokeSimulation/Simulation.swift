// SPDX-License-Identifier: Apache-2.0
// The engine room of a simulation: one thread, one clock, one seed.
//
// Happy path of a turn: an event is taken from the queue -> the node it is for gets its input (bytes, a tick, a connection) ->
// its engine's effects are carried out: bytes go into the network, events to detector and configuration, whose answers go back
// into the engine -> until it has no more to say -> what changed in its map is compared with the truth -> its next tick is planned.
//
// Everything random comes from `random`; nothing depends on the order of a Swift set or dictionary.

internal import DequeModule
internal import GoferBroke
internal import GoferBrokeConfiguration
internal import GoferBrokeMembership

/// What a simulation is made of.
struct SimulationOptions: Sendable {
    var seed: UInt64
    /// All nodes' cluster document.
    var cluster = ClusterConfiguration(name: "simulation")
    var delay = PathDelay.localNetwork
    /// Bytes per second that one host sends; 0: no bound.
    var bandwidth: UInt64 = 125_000_000
    /// Whether cluster configuration is part of the simulation.
    var hasConfiguration = true
    /// What is compared with the truth, and how often.
    var checks = CheckLevel.everyTurn
    var makeDetector: @Sendable (String, UInt64, DetectorSettings, UInt64) -> any FailureDetector = {
        PhiAccrualDetector(name: $0, generation: $1, settings: $2, seed: $3)
    }

    init(seed: UInt64) {
        self.seed = seed
    }
}

enum CheckLevel: Sendable, Hashable {
    /// What changed in a node's map, after every turn of the node.
    case everyTurn
    /// Once, at the end, and every death as it is declared.
    case atEnd
}

/// A cluster in a made-up network and time.
final class Simulation {
    let options: SimulationOptions
    private(set) var random: SimulationRandom
    /// Microseconds since the beginning of the simulation; nodes' clocks begin a second in.
    var now: UInt64 = 1_000_000
    var events = EventQueue()
    var payloads = PayloadPool()
    var paths: PathTable
    var places: [NodePlace] = []
    var placeByHost: [String: Int32] = [:]
    var placeByName: [String: Int32] = [:]
    var connections: [SimulatedConnection] = []
    var freeConnections: [Int32] = []
    /// The node whose engine is being flushed.
    var current: NodePlace?

    var history = History()
    var deaths = DeathWatch()
    var violations: [Violation] = []
    var trace: ((UInt64, String) -> Void)?
    var plan: [(Simulation) -> Void] = []
    /// Told of each change of a member as a node sees it.
    var onMember: ((NodePlace, GoferBroke.Member, MemberNews) -> Void)?
    /// Told of each delta in a watched group, and of each event that is for applications.
    var onEvent: ((NodePlace, NodeEvent) -> Void)?
    /// Told of each message on a connection without engines: which, and at which end it arrived.
    var onRawArrival: ((Int32, Int) -> Void)?
    /// Told of what happened to the cluster configuration as a node has it.
    var onConfiguration: ((NodePlace, ConfigurationEvent) -> Void)?
    /// Shown all bytes of each stream: as an engine sends them, and as the other one gets them. Lent for the call.
    var onSend: ((StreamName, UnsafeRawBufferPointer) -> Void)?
    var onRead: ((StreamName, UnsafeRawBufferPointer) -> Void)?
    private(set) var turnCount: UInt64 = 0
    /// Payload bytes that engines sent, all nodes.
    var bytesSent: UInt64 = 0

    init(_ options: SimulationOptions) {
        self.options = options
        self.random = SimulationRandom(seed: options.seed)
        self.paths = PathTable(delay: options.delay)
    }

    // MARK: Time

    /// Seconds since the beginning, for people and curves.
    var seconds: Double {
        Double(self.now - 1_000_000) / 1e6
    }

    /// Runs until `time` (microseconds as ``now``), or until something was violated.
    func run(until time: UInt64) {
        while self.step(until: time) {
            if !self.violations.isEmpty { return }
        }
        self.now = max(self.now, time)
    }

    /// Handles the next event, if it is due by `time`. False: there is none.
    func step(until time: UInt64) -> Bool {
        guard let next = self.events.nextTime, next <= time, let event = self.events.popFirst() else { return false }
        self.now = max(self.now, event.time)
        self.handle(event)
        return true
    }

    func run(for duration: Duration) {
        self.run(until: self.now + duration.positiveMicros)
    }

    /// Runs in steps until `isDone`, for at most `bound`. False: it did not come.
    func run(within bound: Duration, step: Duration = .milliseconds(10), until isDone: () -> Bool) -> Bool {
        let end = self.now + bound.positiveMicros
        while !isDone() {
            guard self.now < end, self.violations.isEmpty else { return false }
            self.run(until: min(end, self.now + step.positiveMicros))
        }
        return true
    }

    /// Does something at a time to come.
    func schedule(at time: UInt64, _ body: @escaping (Simulation) -> Void) {
        self.plan.append(body)
        self.push(.plan, at: time, subject: Int32(self.plan.count - 1), guardNumber: 0)
    }

    func schedule(after duration: Duration, _ body: @escaping (Simulation) -> Void) {
        self.schedule(at: self.now + duration.positiveMicros, body)
    }

    func roll<Result>(_ body: (inout SimulationRandom) -> Result) -> Result {
        body(&self.random)
    }

    func push(
        _ kind: SimulatedEvent.Kind,
        at time: UInt64,
        subject: Int32,
        payload: Int32 = -1,
        guardNumber: UInt32,
        detail: UInt32 = 0,
        side: UInt8 = 0
    ) {
        self.events.push(
            SimulatedEvent(
                time: time,
                number: 0,
                subject: subject,
                payload: payload,
                guardNumber: guardNumber,
                detail: detail,
                kind: kind,
                side: side
            )
        )
    }

    private func handle(_ event: SimulatedEvent) {
        switch event.kind {
        case .timer: self.onTimer(event)
        case .work: self.onWork(event)
        case .synAttempt: self.onSynAttempt(event)
        case .synArrival: self.onSynArrival(event)
        case .synAnswer: self.onSynAnswer(event)
        case .dialTimeout: self.onDialTimeout(event)
        case .delivery: self.onDelivery(event)
        case .departure: self.onDeparture(event)
        case .segment: self.onSegment(event)
        case .acknowledgement: self.onAcknowledgement(event)
        case .retransmission: self.onRetransmission(event)
        case .reset: self.onReset(event)
        case .plan:
            let body = self.plan[Int(event.subject)]
            self.plan[Int(event.subject)] = { _ in }
            body(self)
        }
    }

    // MARK: Turns

    private func onTimer(_ event: SimulatedEvent) {
        let place = self.places[Int(event.subject)]
        guard place.life == event.guardNumber, place.timerAt == event.time, let engine = place.engine else { return }
        place.timerAt = .max
        if place.isFrozen || place.busyUntil > self.now {
            // What wakes it up looks at the engine's deadline again.
            return
        }
        let local = place.clock(self.now)
        // A deadline that has moved meanwhile only needs another timer.
        if engine.deadline <= local {
            engine.tick(now: local)
            self.settle(place)
        } else {
            self.planTick(place)
        }
    }

    /// An input for the process of a node: now, or when it reads again.
    func give(_ input: NodeInput, to place: NodePlace) {
        if place.isFrozen || place.busyUntil > self.now || !place.inbox.isEmpty {
            place.inbox.append(input)
            self.planWork(place)
            return
        }
        self.take(input, at: place)
        self.settle(place)
    }

    func planWork(_ place: NodePlace) {
        guard !place.isWorkDue, !place.isFrozen else { return }
        place.isWorkDue = true
        self.push(.work, at: max(place.busyUntil, self.now), subject: place.slot, guardNumber: place.life)
    }

    private func onWork(_ event: SimulatedEvent) {
        let place = self.places[Int(event.subject)]
        guard place.life == event.guardNumber else { return }
        place.isWorkDue = false
        guard !place.isFrozen, let engine = place.engine else { return }
        if place.busyUntil > self.now {
            self.planWork(place)
            return
        }
        if let input = place.inbox.popFirst() {
            self.take(input, at: place)
            if place.turnCost == 0 {
                // A burst is read in one go.
                while let next = place.inbox.popFirst() {
                    self.take(next, at: place)
                }
            }
        }
        let local = place.clock(self.now)
        if engine.deadline <= local {
            engine.tick(now: local)
        }
        self.settle(place)
        if place.isRunning, !place.inbox.isEmpty {
            self.planWork(place)
        }
    }

    private func take(_ input: NodeInput, at place: NodePlace) {
        guard let engine = place.engine else {
            self.discard(input)
            return
        }
        let local = place.clock(self.now)
        switch input {
        case .accepted(let connection, let use): self.accept(connection, use: use, at: place, engine: engine)
        case .connected(let connection, let use):
            guard self.isUsed(connection, use), self.connections[Int(connection)].ends[0].isOpen else { return }
            engine.connected(self.connections[Int(connection)].ends[0].link, now: local)
        case .bytes(let link, let payload, let connection, let use, let side):
            if place.links[link] != nil {
                self.onRead?(StreamName(connection: connection, use: use, side: side), self.payloads.bytes(payload))
                engine.received(self.payloads.bytes(payload), on: link, now: local)
                self.noteRead(self.payloads.bytes(payload).count, connection, use: use, side: side)
            }
            self.payloads.remove(payload)
        case .departed(let link, let size): engine.sent(size, on: link, now: local)
        case .closed(let link, let end):
            place.links[link] = nil
            engine.closed(link, end, now: local)
        }
    }

    func discard(_ input: NodeInput) {
        if case .bytes(_, let payload, _, _, _) = input {
            self.payloads.remove(payload)
        }
    }

    /// Carries out all that the engine of a node wants, and what its host answers to that.
    func settle(_ place: NodePlace) {
        self.turnCount += 1
        if place.turnCost > 0 {
            place.busyUntil = self.now + place.turnCost
        }
        // Each pass ends with nothing new; a host and its engine that never stop talking are a bug.
        var passes = 0
        while let engine = place.engine {
            self.current = place
            let wasAny = engine.flush(now: place.clock(self.now), into: self)
            self.current = nil
            guard wasAny else { break }
            passes += 1
            if passes > 1_000 {
                self.violate(.init(kind: .spinning, observer: place.name, text: "engine and host never come to rest"))
                return
            }
            if self.options.checks == .everyTurn, engine.changeNumber != place.checkedNumber {
                // What has gone out now may be superseded by what the host answers to it.
                self.history.note(place, engine)
            }
            self.carryOut(place, engine)
        }
        guard let engine = place.engine else { return }
        self.check(place, engine)
        self.planTick(place)
    }

    private func carryOut(_ place: NodePlace, _ engine: EngineHandle) {
        if !place.dirtyLinks.isEmpty {
            let local = place.clock(self.now)
            for (link, size) in place.dirtyLinks {
                engine.sent(size, on: link, now: local)
            }
            place.dirtyLinks.removeAll(keepingCapacity: true)
        }
        guard !place.notices.isEmpty else { return }
        let notices = place.notices
        place.notices = []
        for notice in notices where place.engine === engine {
            self.handle(notice, at: place, engine)
        }
    }

    private func planTick(_ place: NodePlace) {
        guard let engine = place.engine, !place.isFrozen else { return }
        let deadline = engine.deadline
        guard deadline != .max else { return }
        let at = max(deadline > place.clockAhead ? deadline - place.clockAhead : 0, self.now + (deadline <= place.clock(self.now) ? 1 : 0))
        if at < place.timerAt {
            place.timerAt = at
            self.push(.timer, at: at, subject: place.slot, guardNumber: place.life)
        }
    }

    // MARK: Looking

    func place(named name: String) -> NodePlace? {
        self.placeByName[name].map { self.places[Int($0)] }
    }

    var running: [NodePlace] {
        self.places.filter { $0.isRunning }
    }

    func violate(_ violation: Violation) {
        var violation = violation
        violation.time = self.seconds
        self.violations.append(violation)
        self.tell { "VIOLATION \(violation)" }
    }

    /// A line of the trace; only made where somebody reads it.
    func tell(_ line: () -> String) {
        if let trace = self.trace {
            trace(self.now, line())
        }
    }
}
