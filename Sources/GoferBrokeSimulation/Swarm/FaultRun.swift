// SPDX-License-Identifier: Apache-2.0
// Runs a FaultScenario: the faults, the calm, and what must hold then.

internal import GoferBroke
internal import GoferBrokeConfiguration

/// What came of a scenario of faults.
public struct FaultOutcome: Sendable {
    /// Rules that were broken; the first one ended the run.
    public var violations: [Violation]
    /// How long after the calm began all agreed; nil: they did not.
    public var calm: Duration?
    /// How long it lasted in the simulation.
    public var virtualTime: Duration
    /// Nodes times virtual seconds, of nodes that ran.
    public var nodeSeconds: Double
    /// A hash of every event of the run: the same seed gives the same one.
    public var fingerprint: UInt64
}

extension FaultScenario {
    /// The calm must bring agreement within this.
    public static let calmBound = Duration.seconds(60)
    /// Longer than links outside the rings may last.
    static let watch = Duration.seconds(50)

    /// Runs it. `trace` takes a line for each thing that happens.
    ///
    /// Of each eighth seed the calm is looked at for longer after all agreed: links must become few, and nothing may change.
    public func run(trace: ((String) -> Void)? = nil) -> FaultOutcome {
        let isWatched = self.seed % 8 == 0
        let simulation = self.makeSimulation()
        if let trace {
            simulation.trace = { time, line in trace("[\(Double((time - 1_000_000) / 1_000) / 1_000)] \(line)") }
        }
        for number in 0..<self.nodes {
            let place = simulation.addPlace("n\(number)")
            place.isBehindNAT = self.behindNAT.contains(number)
        }
        for place in simulation.places {
            let pause = simulation.roll { $0.time(in: .zero ... .seconds(1)) }
            simulation.schedule(after: place.slot == 0 ? .zero : pause) { $0.start(place, .init(seeds: $0.seeds(for: place))) }
        }
        var valueNumber: UInt64 = 0
        for step in self.steps {
            simulation.schedule(after: step.time) { simulation in
                valueNumber += 1
                simulation.tell { "*** \(step.fault)" }
                simulation.apply(step.fault, valueNumber: valueNumber)
            }
        }
        simulation.run(for: self.calmAt)
        var calm: Duration?
        if simulation.violations.isEmpty {
            simulation.beginCalm()
            let begin = simulation.now
            if simulation.run(within: Self.calmBound, step: .milliseconds(250), until: { simulation.isAgreed() }) {
                calm = .microseconds(Int64(simulation.now - begin))
                if self.isPushOn {
                    simulation.checkPushes()
                }
                if isWatched {
                    simulation.run(for: Self.watch)
                    // A grave may just have ended, and what was said of whom it was for is being taken back.
                    _ = simulation.run(within: .seconds(5), step: .milliseconds(250)) { simulation.isAgreed() }
                    if let violation = simulation.calmViolation() ?? simulation.disagreement() {
                        simulation.violate(violation)
                    }
                }
            } else if let violation = simulation.disagreement(), simulation.violations.isEmpty {
                simulation.violate(violation)
            }
        }
        return FaultOutcome(
            violations: simulation.violations,
            calm: calm,
            virtualTime: .microseconds(Int64(simulation.now - 1_000_000)),
            nodeSeconds: simulation.seconds * Double(self.nodes),
            fingerprint: simulation.fingerprint
        )
    }

    private func makeSimulation() -> Simulation {
        var options = SimulationOptions(seed: self.seed)
        options.delay = PathDelay(latency: self.latency, jitter: self.jitter)
        options.cluster.tombstoneGrace = self.tombstoneGrace
        options.cluster.deadMemberRetention = self.retention
        options.cluster.isEagerPushOn = self.isPushOn
        options.cluster.gossipInterval = self.isPushOn ? .seconds(1) : .milliseconds(200)
        return Simulation(options)
    }
}

extension Simulation {
    static let swarmGroup: DeltaLabel = "swarm"

    /// The first three, and two more by lot, but not itself.
    func seeds(for place: NodePlace) -> [Int32] {
        var seeds = self.places.prefix(3).map(\.slot)
        let count = self.places.count
        seeds += (0..<2).map { _ in Int32(self.roll { $0.below(count) }) }
        return place.startedAt == 0 && place.slot == 0 && place.life == 0 ? [] : seeds.filter { $0 != place.slot }
    }

    /// Does one step of a scenario. What can't be done as things stand is passed over.
    func apply(_ fault: Fault, valueNumber: UInt64) {
        switch fault {
        case .kill(let node): self.kill(self.places[node])
        case .cutPower(let node): self.cutPower(self.places[node])
        case .leave(let node):
            if !self.places[node].isFrozen { self.leave(self.places[node]) }
        case .start(let node, let keepsData, let isMoved):
            let place = self.places[node]
            self.start(place, .init(seeds: self.seeds(for: place), keepsData: keepsData, isMoved: isMoved))
        case .freeze(let node, let time): self.freeze(self.places[node], for: time)
        case .slow(let node, let time): self.setTurnCost(time, of: self.places[node])
        case .jump(let node, let ahead, let timeOfDay): self.jumpClock(of: self.places[node], by: ahead, timeOfDay: timeOfDay)
        case .resetConnection(let node): _ = self.resetRandomConnection(of: self.places[node])
        case .write(let node, let key, let size, let time):
            let place = self.places[node]
            guard place.isRunning, !place.isFrozen else { return }
            var bytes = [UInt8](repeating: 0, count: max(size, 8))
            for index in 0..<8 {
                bytes[index] = UInt8(truncatingIfNeeded: valueNumber >> (8 * UInt64(index)))
            }
            let timeToLive = time > .zero ? time : nil
            // A node that leaves takes no more.
            try? self.set(place, group: Self.swarmGroup, key: DeltaLabel("k\(key)"), bytes: bytes, timeToLive: timeToLive)
        case .delete(let node, let key):
            guard self.places[node].isRunning, !self.places[node].isFrozen else { return }
            // It may not be there.
            try? self.delete(self.places[node], group: Self.swarmGroup, key: DeltaLabel("k\(key)"))
        case .configure(let node, let key, let value):
            guard !self.places[node].isFrozen else { return }
            // A value out of range is refused, as it should be.
            try? self.changeConfiguration(key, to: value, through: self.places[node])
        case .split, .cut, .mend, .loss, .lossAt, .lossBetween, .far, .heal:
            self.changePaths { self.apply(fault, to: &$0) }
        }
    }

    private func apply(_ fault: Fault, to paths: inout PathChanges) {
        switch fault {
        case .split(let parts): paths.split(parts.map { $0.map { self.places[$0] } })
        case .cut(let from, let to): paths.setCut(true, from: self.places[from], to: self.places[to])
        case .mend(let from, let to): paths.setCut(false, from: self.places[from], to: self.places[to])
        case .loss(let share): paths.setLossEverywhere(share)
        case .lossAt(let node, let inbound, let outbound):
            paths.setLoss(inbound: inbound, outbound: outbound, at: self.places[node])
        case .lossBetween(let from, let to, let share): paths.setLoss(share, from: self.places[from], to: self.places[to])
        case .far(let node, let time):
            paths.setDelay(PathDelay(latency: time, jitter: .microseconds(time.micros / 5)), of: self.places[node])
        case .heal: paths.heal()
        default: break
        }
    }

    /// Nothing befalls anybody any more; who is down stays down.
    func beginCalm() {
        self.tell { "*** calm" }
        self.changePaths { $0.heal() }
        for place in self.places {
            if place.turnCost > 0 {
                place.turnCost = 0
                place.lastUnwellAt = self.now
            }
            if place.isFrozen {
                place.isFrozen = false
                place.lastUnwellAt = self.now
                self.planWork(place)
            }
        }
        self.helpStrangers()
    }

    /// Whoever found none of its seeds, or only others who found none, gets one that runs and can be dialled: nothing else could ever
    /// bring them together.
    private func helpStrangers() {
        let open = self.running.filter { !$0.isBehindNAT }
        guard let known = open.first(where: \.isJoined) ?? open.first else { return }
        for place in self.running where place !== known && (!place.isJoined || place.engine?.member(known.name) == nil) {
            do throws(GoferBrokeError) {
                try place.engine?.setSeeds([known.endpoint], now: place.clock(self.now))
                self.settle(place)
            } catch {
                self.violate(Violation(kind: .start, observer: place.name, text: "\(error)"))
            }
        }
    }

    /// A hash of what everybody knows and of how much has happened.
    var fingerprint: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ value: UInt64) {
            hash = (hash ^ value) &* 0x0000_0100_0000_01b3
            hash ^= hash >> 29
        }
        mix(self.turnCount)
        mix(self.bytesSent)
        for place in self.places {
            mix(place.engine?.mapHash ?? 0)
            mix(place.engine?.changeNumber ?? 0)
        }
        return hash
    }
}
