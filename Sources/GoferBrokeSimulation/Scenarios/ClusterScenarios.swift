// SPDX-License-Identifier: Apache-2.0
// Many at once: crashes, starts, splits, and a day of deaths.

internal import GoferBroke

extension Scenario {
    static let massCrash = Scenario("mass-crash", "ten processes are killed at once", nodes: 1_000) { run in
        let simulation = run.makeSimulation()
        guard run.build(simulation) else { return }
        simulation.run(for: .seconds(60))
        let victims = simulation.roll { [places = simulation.places] in $0.sample(10, of: places) }
        let dying = Set(victims.map(\.name))
        var known: [Int32: Int] = [:]
        var complete: [Int32: Double] = [:]
        let begin = simulation.now
        simulation.onMember = { observer, member, _ in
            guard member.status == .dead, dying.contains(member.name) else { return }
            known[observer.slot, default: 0] += 1
            if known[observer.slot] == dying.count { complete[observer.slot] = Double(simulation.now - begin) / 1e6 }
        }
        let observers = simulation.running.filter { !dying.contains($0.name) }
        var before = observers.map(\.bytesSentNow)
        victims.forEach { simulation.kill($0) }
        var rates: [Double] = []
        for second in 0..<20 {
            simulation.run(for: .seconds(1))
            let after = observers.map(\.bytesSentNow)
            rates += zip(after, before).map { $0 - $1 }
            before = after
            run.progress(Double(second + 1) / 20)
        }
        simulation.onMember = nil
        run.finish(simulation)
        let times = complete.keys.sorted().compactMap { complete[$0] }
        run.report("all_known_s_median", Sample.median(times))
        run.report("all_known_s_max", times.count == observers.count ? times.max() : nil, atMost: 2)
        run.report("payload_bytes_per_node_s_mean", Sample.mean(rates))
        run.report("payload_bytes_per_node_s_p99", Sample.quantile(0.99, of: rates))
        run.report("payload_bytes_per_node_s_max", rates.max())
    }

    static let startStorm = Scenario("start-storm", "all start within 10 s and join through 3 seeds", nodes: 2_000) { run in
        let simulation = run.makeSimulation()
        let sizes = run.nodeCount <= 256 ? StormSizes(simulation) : nil
        let joined = simulation.buildCluster(run.nodeCount, spread: .seconds(10), within: .seconds(60))
        run.finish(simulation)
        if let sizes { run.report("membership_sizes_seen", Double(sizes.count)) }
        run.report("all_see_all_s_after_last_start", joined.map { $0.inSeconds - 10 }, atMost: 15)
    }

    /// Numbers of members that nodes knew of on the way.
    private final class StormSizes {
        private var known: [Int32: Int] = [:]
        private var sizes: Set<Int> = []
        var count: Int { self.sizes.count }

        init(_ simulation: Simulation) {
            simulation.onMember = { [self] observer, _, news in
                guard news == .joined else { return }
                self.known[observer.slot, default: 1] += 1
                self.sizes.insert(self.known[observer.slot] ?? 0)
            }
        }
    }

    static let splitHeal = Scenario(
        "split-heal",
        "the cluster splits for 10 min, some restart meanwhile, it heals; with --nodes one split of that many in halves",
        nodes: 1_000
    ) { run in
        let isChosen = run.options.nodes != nil
        let splits =
            isChosen
            ? [(run.nodeCount / 2, run.nodeCount - run.nodeCount / 2)]
            : [(1, 2), (2, 2), (1, 4), (4, 8), (8, 8), (50, 950), (1, 999), (500, 500)]
        for (number, split) in splits.enumerated() {
            Scenario.split(run, split.0, split.1)
            run.progress(Double(number + 1) / Double(splits.count))
        }
    }

    private static func split(_ run: ScenarioRun, _ left: Int, _ right: Int) {
        let label = "\(left)_\(right)"
        let simulation = run.makeSimulation()
        guard run.build(simulation, label, nodes: left + right) else { return }
        simulation.run(for: .seconds(35))
        let order = simulation.roll { [places = simulation.places] in $0.sample(places.count, of: places) }
        let sides = [Array(order[..<left]), Array(order[left...])]
        simulation.changePaths { $0.split(sides) }
        let duration = run.options.duration ?? .seconds(600)
        simulation.run(for: duration / 2)
        // A twentieth restarts on its own side, at least one where there is more than one.
        for side in sides where side.count > 1 {
            for place in simulation.roll({ $0.sample(max(side.count / 20, 1), of: side) }) {
                simulation.kill(place)
                let seeds = side.filter { $0.slot != place.slot }.prefix(3).map(\.slot)
                simulation.schedule(after: .seconds(2)) { $0.start(place, .init(seeds: Array(seeds), keepsData: true)) }
            }
        }
        simulation.run(for: duration / 2)
        for (number, side) in sides.enumerated() {
            let (own, others) = (Set(side.map(\.name)), Set(sides[1 - number].map(\.name)))
            for place in side {
                guard let engine = place.engine else { continue }
                let live = Set(engine.members.filter { $0.status < .dead }.map(\.name))
                if !live.isDisjoint(with: others) {
                    let text = "split \(label): holds \(live.intersection(others).count) of the other side for alive"
                    simulation.violate(.membership, at: place, text)
                }
                if !live.isSuperset(of: own) {
                    let text = "split \(label): has buried \(own.subtracting(live).count) of its own side"
                    simulation.violate(.membership, at: place, text)
                }
            }
        }
        simulation.changePaths { $0.heal() }
        let begin = simulation.now
        let kept = simulation.violations
        simulation.violations = []
        let isOne = simulation.run(within: .seconds(120), step: .milliseconds(100)) { simulation.isConverged(left + right) }
        let healed = isOne ? Double(simulation.now - begin) / 1e6 : nil
        simulation.violations = kept + simulation.violations
        run.finish(simulation)
        run.report("one_cluster_s_\(label)", healed, atMost: 30)
    }

    static let ghosts = Scenario(
        "ghosts",
        "deaths and restarts over 26 hours: the dead are forgotten on time and none comes back",
        nodes: 16
    ) { run in
        let simulation = run.makeSimulation()
        guard run.build(simulation) else { return }
        var ended: [Life: UInt64] = [:]
        var ghosts = 0
        var early = 0
        var late = 0
        simulation.onMember = { observer, member, news in
            let life = Life(name: member.name, generation: member.generation)
            guard let end = ended[life] else { return }
            // A node that restarted hears of the dead for the first time, and as dead, as long as others remember them.
            let isOver = simulation.now > end + 86_400_000_000 + 120_000_000
            if news == .joined, member.status < .dead || isOver { ghosts += 1 }
            if news == .forgotten, simulation.now + 60_000_000 < end + 86_400_000_000 { early += 1 }
        }
        let seeds = Array(simulation.places.prefix(3).map(\.slot))
        // From the fourth on they die one after the other in the first 90 minutes, each in its own way; every second one comes back.
        for (number, place) in simulation.places.enumerated().dropFirst(3) {
            simulation.schedule(after: .seconds(60 + number * 5_400 / run.nodeCount)) { simulation in
                ended[Life(name: place.name, generation: place.generation)] = simulation.now
                switch number % 3 {
                case 0: simulation.kill(place)
                case 1: simulation.cutPower(place)
                default: simulation.leave(place)
                }
            }
            if number % 2 == 0 {
                simulation.schedule(after: .seconds(7_000 + number * 60)) { $0.start(place, .init(seeds: seeds)) }
            }
        }
        let hours = 26
        for hour in 0..<hours {
            simulation.run(for: .seconds(3_600))
            run.progress(Double(hour + 1) / Double(hours))
        }
        let names = Set(simulation.running.map(\.name))
        for place in simulation.running {
            late += place.engine?.members.count { !names.contains($0.name) } ?? 0
        }
        simulation.onMember = nil
        if let violation = simulation.disagreement() { simulation.violate(violation) }
        run.finish(simulation)
        run.report("lives_ended", Double(ended.count))
        run.report("ghosts", Double(ghosts), atMost: 0)
        run.report("forgotten_too_early", Double(early), atMost: 0)
        run.report("remembered_too_long", Double(late), atMost: 0)
    }

    private struct Life: Hashable {
        var name: String
        var generation: UInt64
    }
}

extension NodePlace {
    /// Payload that its present life has sent.
    var bytesSentNow: Double {
        Double(self.engine?.statistics.bytesSent ?? 0)
    }
}
