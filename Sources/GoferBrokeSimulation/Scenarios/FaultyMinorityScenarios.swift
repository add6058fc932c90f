// SPDX-License-Identifier: Apache-2.0
// A few nodes are sick, all others are well: whose word counts?

internal import GoferBroke
internal import GoferBrokeMembership

extension Scenario {
    /// Sizes of the membership that healthy nodes saw, while a scenario runs.
    final class SizeWatch {
        private var alive: [Int32: Int] = [:]
        private(set) var sizes: Set<Int> = []
        private(set) var changes = 0

        init(_ simulation: Simulation, nodeCount: Int) {
            for place in simulation.running {
                self.alive[place.slot] = nodeCount
            }
            self.sizes = [nodeCount]
        }

        func note(_ observer: NodePlace, _ member: GoferBroke.Member, _ news: MemberNews, isHealthy: Bool) {
            guard isHealthy, news == .status, let before = self.alive[observer.slot] else { return }
            let after: Int
            switch member.status {
            case .dead, .left: after = before - 1
            case .alive: after = before + (self.dead.remove(Key(observer.slot, member.name)) == nil ? 0 : 1)
            case .suspect: return
            }
            if after < before { self.dead.insert(Key(observer.slot, member.name)) }
            guard after != before else { return }
            self.alive[observer.slot] = after
            self.sizes.insert(after)
            self.changes += 1
        }

        private struct Key: Hashable {
            let observer: Int32
            let name: String
            init(_ observer: Int32, _ name: String) {
                self.observer = observer
                self.name = name
            }
        }
        private var dead: Set<Key> = []
    }

    static let lossyMinority = Scenario(
        "lossy-minority",
        "1 % of the nodes send through 80 % loss: only they may be declared dead",
        nodes: 1_000
    ) { run in
        Scenario.sickMinority(run) { simulation, faulty, seconds in
            simulation.changePaths { paths in
                for place in faulty { paths.setLoss(inbound: 0, outbound: 0.8, at: place) }
            }
            simulation.run(for: .seconds(seconds))
        }
    }

    static let flipFlop = Scenario(
        "flip-flop",
        "1 % of the nodes hear nothing for 20 s of each 40 s: only they may be declared dead",
        nodes: 1_000
    ) { run in
        Scenario.sickMinority(run) { simulation, faulty, seconds in
            for turn in 0..<(seconds / 20) {
                simulation.changePaths { paths in
                    for place in faulty { paths.setLoss(inbound: turn % 2 == 0 ? 1 : 0, outbound: 0, at: place) }
                }
                simulation.run(for: .seconds(20))
                run.progress(Double(turn + 1) / Double(seconds / 20))
            }
        }
    }

    private static func sickMinority(_ run: ScenarioRun, _ befall: (Simulation, [NodePlace], Int) -> Void) {
        let simulation = run.makeSimulation()
        guard run.build(simulation) else { return }
        simulation.run(for: .seconds(35))
        let count = max(run.nodeCount / 100, 1)
        let faulty = simulation.roll { [places = simulation.places] in $0.sample(count, of: places) }
        simulation.deaths.faulty = Set(faulty.map(\.slot))
        let watch = SizeWatch(simulation, nodeCount: run.nodeCount)
        simulation.onMember = { observer, member, news in
            watch.note(observer, member, news, isHealthy: !simulation.deaths.faulty.contains(observer.slot))
        }
        let deathsBefore = simulation.deaths.count
        let duration = run.options.duration ?? .seconds(120)
        befall(simulation, faulty, Int(duration.inSeconds))
        let deaths = simulation.deaths.count - deathsBefore
        simulation.changePaths { $0.heal() }
        let isBack = simulation.run(within: .seconds(60), step: .milliseconds(250)) { simulation.isConverged(run.nodeCount) }
        let back = simulation.now
        simulation.onMember = nil
        if !isBack, let violation = simulation.disagreement() { simulation.violate(violation) }
        run.finish(simulation)
        run.report("faulty_nodes", Double(count))
        run.report("deaths_declared", Double(deaths))
        run.report("membership_sizes_seen", Double(watch.sizes.count))
        run.report("view_changes_per_healthy_node", Double(watch.changes) / Double(run.nodeCount - count))
        run.report("agreed_again_at_s", isBack ? Double(back - 1_000_000) / 1e6 : nil)
    }

    static let sickAccuser = Scenario(
        "sick-accuser",
        "nodes that accuse everybody, alone and 5 % of all, and links open one way only: nobody dies of it",
        nodes: 1_000
    ) { run in
        for (name, share) in [("one", 0.0), ("five_percent", 0.05)] {
            let count = max(Int(Double(run.nodeCount) * share), 1)
            let simulation = run.makeSimulation { options in
                let sick = Set((0..<count).map { "n\(7 + $0 * (run.nodeCount / count))" })
                options.makeDetector = { name, generation, settings, seed in
                    let detector = PhiAccrualDetector(name: name, generation: generation, settings: settings, seed: seed)
                    return sick.contains(name) ? SickDetector(detector) : detector
                }
            }
            guard run.build(simulation, "accusers_\(name)") else { return }
            simulation.deaths.faulty = Set((0..<count).compactMap { simulation.placeByName["n\(7 + $0 * (run.nodeCount / count))"] })
            simulation.run(for: run.options.duration ?? .seconds(40))
            run.report("deaths_\(name)", Double(simulation.deaths.countOfRunning))
            run.finish(simulation)
        }
        Scenario.oneWayLinks(run)
    }

    /// A tenth of the pairs of ring neighbours hear each other one way only.
    private static func oneWayLinks(_ run: ScenarioRun) {
        let simulation = run.makeSimulation()
        guard run.build(simulation, "one_way") else { return }
        simulation.run(for: .seconds(35))
        let names = simulation.places.map(\.name)
        simulation.changePaths { paths in
            for place in simulation.places {
                for neighbor in RingPlacement.neighbors(of: place.name, among: names) where simulation.roll({ $0.chance(0.05) }) {
                    guard let other = simulation.place(named: neighbor) else { continue }
                    paths.setCut(true, from: place, to: other)
                }
            }
        }
        simulation.run(for: run.options.duration ?? .seconds(60))
        run.report("deaths_one_way", Double(simulation.deaths.countOfRunning))
        run.finish(simulation)
    }
}

/// A detector that accuses everybody it knows, each 15 s, and takes nothing back.
struct SickDetector: FailureDetector {
    private var detector: PhiAccrualDetector
    private var ticks = 0

    init(_ detector: PhiAccrualDetector) {
        self.detector = detector
    }

    mutating func handle(_ input: DetectorInput, now: DetectorTime) -> [DetectorAction] {
        var actions = self.detector.handle(input, now: now).filter { action in
            // All ticks are wanted here.
            switch action {
            case .retract, .tick: return false
            default: return true
            }
        }
        guard case .tick = input else { return actions }
        self.ticks += 1
        guard self.ticks % 150 == 1 else { return actions }
        for member in self.detector.members(at: now) where member.status < .dead {
            actions.append(
                .accuse(target: member.name, generation: member.generation, incarnation: member.incarnation, reason: .silent)
            )
        }
        return actions
    }

    func phi(of name: String, at now: DetectorTime) -> Double { self.detector.phi(of: name, at: now) }
    func status(of name: String) -> MemberStatus? { self.detector.status(of: name) }
    func members(at now: DetectorTime) -> [MemberReport] { self.detector.members(at: now) }
    func member(_ name: String, at now: DetectorTime) -> MemberReport? { self.detector.member(name, at: now) }
    var memberNames: [String] { self.detector.memberNames }
    var accusationsOfOthers: [Accusation] { self.detector.accusationsOfOthers }
    func story(of name: String) -> [StoryEntry] { self.detector.story(of: name) }
    var reachability: [ReachabilityFact] { self.detector.reachability }
    var localHealth: Int { self.detector.localHealth }
    var statistics: DetectorStatistics { self.detector.statistics }
}
