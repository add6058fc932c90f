// SPDX-License-Identifier: Apache-2.0
// The experiments of van Renesse, Dumitriu, Gough, Thomas: "Efficient Reconciliation and Flow Control for Anti-Entropy
// Protocols" (LADIS 2008), section 4, with engines that run its protocol, and the default mode beside it.

internal import GoferBroke
internal import GoferBrokeConfiguration

extension Scenario {
    static let paperReconciliation = Scenario(
        "paper-reconciliation",
        "stale mappings while updates exceed what messages hold (LADIS 2008, figure 4), and by push; --keys --limit --order --push",
        nodes: 128
    ) { run in
        let load = PaperLoad(run)
        let paper = load.reconcile(run, pushes: false)
        let pushed = load.reconcile(run, pushes: true)
        run.report("stale_per_view", curve: run.options.extra["push"] == nil ? paper.stale : pushed.stale)
        run.report("max_staleness_s", curve: run.options.extra["push"] == nil ? paper.staleness : pushed.staleness)
        run.report("paper_stale_steady", Sample.mean(Array(paper.stale[15..<25])))
        run.report("paper_stale_peak", paper.stale.max())
        run.report("paper_all_current_s", paper.stale.indices.first { $0 >= 120 && paper.stale[$0] == 0 }.map(Double.init))
        run.report("push_stale_steady", Sample.mean(Array(pushed.stale[15..<25])))
        run.report("push_stale_peak", pushed.stale.max())
        run.report("paper_stale_mean", Sample.mean(Array(paper.stale[15..<120])))
        run.report("push_stale_mean", Sample.mean(Array(pushed.stale[15..<120])))
        run.report("paper_deltas_received_per_node_s", paper.received)
        run.report("push_deltas_received_per_node_s", pushed.received)
    }

    static let paperFlowControl = Scenario(
        "paper-flow-control",
        "all want more than they get, and the limit halves (LADIS 2008, figure 5); --keys --limit --order",
        nodes: 128
    ) { run in
        PaperLoad(run).pace(run)
    }
}

/// The load of both experiments, and what is measured of it.
private struct PaperLoad {
    let keys: Int
    let limit: Int
    let order: DeltaOrder

    init(_ run: ScenarioRun) {
        self.keys = run.options.extra["keys"].flatMap { Int($0) } ?? 64
        self.limit = run.options.extra["limit"].flatMap { Int($0) } ?? 100
        self.order = run.options.extra["order"] == "breadth" ? .breadth : .depth
    }

    /// What an owner wrote last, by key: version and time.
    final class Board {
        var versions: [[UInt64]]
        var times: [[UInt64]]

        init(nodes: Int, keys: Int) {
            self.versions = Array(repeating: Array(repeating: 0, count: keys), count: nodes)
            self.times = Array(repeating: Array(repeating: 0, count: keys), count: nodes)
        }
    }

    private func configuration(pushes: Bool, limit: Int, isFlowOn: Bool) -> ClusterConfiguration {
        var cluster = ClusterConfiguration(name: "simulation")
        cluster.gossipInterval = .seconds(1)
        cluster.gossipMode = pushes ? .push : .paper
        cluster.deltaLimit = limit
        cluster.deltaOrder = self.order
        cluster.isFlowControlOn = isFlowOn
        return cluster
    }

    private func configure(_ simulation: Simulation, _ cluster: ClusterConfiguration) {
        let settings = EngineSettings(cluster, leaveTimeout: Simulation.leaveTimeout)
        for place in simulation.running {
            place.engine?.configure(settings, now: place.clock(simulation.now))
            simulation.settle(place)
        }
    }

    private func update(_ place: NodePlace, key: Int, in simulation: Simulation, _ board: Board) {
        let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: simulation.now), count: 16)
        try? simulation.set(place, group: "paper", key: DeltaLabel("k\(key)"), bytes: bytes)
        guard let delta = place.engine?.delta(lane: .user, group: "paper", key: DeltaLabel("k\(key)"), from: place.name) else { return }
        // What waits for its version has none yet, and nobody can be behind it.
        if delta.version > 0 {
            board.versions[Int(place.slot)][key] = delta.version
            board.times[Int(place.slot)][key] = simulation.now
        }
    }

    /// Mappings that a view lacks, on average over the views; and how long the oldest has been lacking anywhere, in seconds.
    private func staleness(_ simulation: Simulation, _ board: Board) -> (mean: Double, oldest: Double) {
        var count = 0
        var oldest: UInt64 = 0
        for place in simulation.running {
            guard let engine = place.engine else { continue }
            for known in engine.participants(changedAfter: 0) where !known.isSelf {
                guard let owner = simulation.placeByName[known.name] else { continue }
                let version = known.versions[Int(DeltaLane.user.rawValue)]
                for key in 0..<self.keys where board.versions[Int(owner)][key] > version {
                    count += 1
                    oldest = max(oldest, simulation.now - board.times[Int(owner)][key])
                }
            }
        }
        return (Double(count) / Double(max(simulation.running.count, 1)), Double(oldest) / 1e6)
    }

    /// Every node has all keys of all; nothing is limited yet.
    private func begin(_ run: ScenarioRun, pushes: Bool, isFlowOn: Bool) -> (Simulation, Board)? {
        let simulation = run.makeSimulation { options in
            options.cluster = self.configuration(pushes: pushes, limit: 1_000_000, isFlowOn: false)
        }
        guard run.build(simulation) else { return nil }
        let board = Board(nodes: run.nodeCount, keys: self.keys)
        for place in simulation.places {
            for key in 0..<self.keys { self.update(place, key: key, in: simulation, board) }
        }
        _ = simulation.run(within: .seconds(120), step: .milliseconds(500)) { simulation.isConverged(run.nodeCount) }
        return (simulation, board)
    }

    /// One update a participant and second, two from 25 to 75 s, none from 120 s; the limit counts from 15 s.
    func reconcile(_ run: ScenarioRun, pushes: Bool) -> (stale: [Double], staleness: [Double], received: Double) {
        guard let (simulation, board) = self.begin(run, pushes: pushes, isFlowOn: false) else { return ([], [], 0) }
        let start = simulation.now
        for place in simulation.places {
            for second in 0..<120 {
                for _ in 0..<((25..<75).contains(second) ? 2 : 1) {
                    let at = start + UInt64(second) * 1_000_000 + simulation.roll { $0.below(UInt64(1_000_000)) }
                    let key = simulation.roll { $0.below(self.keys) }
                    simulation.schedule(at: at) { self.update(place, key: key, in: $0, board) }
                }
            }
        }
        simulation.schedule(at: start + 15_000_000) {
            self.configure($0, self.configuration(pushes: pushes, limit: self.limit, isFlowOn: false))
        }
        let before = simulation.running.reduce(0) { $0 + Double($1.engine?.statistics.deltasReceived ?? 0) }
        var curves: (stale: [Double], staleness: [Double]) = ([], [])
        for second in 0..<140 {
            simulation.run(until: start + UInt64(second + 1) * 1_000_000)
            let now = self.staleness(simulation, board)
            curves.stale.append(now.mean)
            curves.staleness.append(now.oldest)
            run.progress((pushes ? 0.5 : 0) + Double(second + 1) / 280)
        }
        let after = simulation.running.reduce(0) { $0 + Double($1.engine?.statistics.deltasReceived ?? 0) }
        run.finish(simulation)
        return (curves.stale, curves.staleness, (after - before) / 120 / Double(run.nodeCount))
    }

    /// From 15 s all want ten updates a second each; the limit halves at 90 s; until 180 s.
    func pace(_ run: ScenarioRun) {
        guard let (simulation, board) = self.begin(run, pushes: false, isFlowOn: true) else { return }
        let start = simulation.now
        for place in simulation.places {
            for second in 15..<180 {
                for _ in 0..<10 {
                    let at = start + UInt64(second) * 1_000_000 + simulation.roll { $0.below(UInt64(1_000_000)) }
                    let key = simulation.roll { $0.below(self.keys) }
                    simulation.schedule(at: at) { self.update(place, key: key, in: $0, board) }
                }
            }
        }
        let limits = [(15, self.limit), (90, self.limit / 2)]
        for (second, limit) in limits {
            simulation.schedule(at: start + UInt64(second) * 1_000_000) {
                self.configure($0, self.configuration(pushes: false, limit: limit, isFlowOn: true))
            }
        }
        var rates: [Double] = []
        var ages: [Double] = []
        var spreads: [Double] = []
        var before = Self.versions(of: simulation)
        for second in 0..<180 {
            simulation.run(until: start + UInt64(second + 1) * 1_000_000)
            let now = Self.versions(of: simulation)
            rates.append(now - before)
            before = now
            self.refresh(board, of: simulation)
            ages.append(self.staleness(simulation, board).oldest)
            spreads.append(Self.spreadOfTau(simulation))
            run.progress(Double(second + 1) / 180)
        }
        run.finish(simulation)
        let (full, half) = (Sample.mean(Array(rates[60..<90])) ?? 0, Sample.mean(Array(rates[150..<180])) ?? 0)
        run.report("total_rate", curve: rates)
        run.report("oldest_key_s", curve: ages)
        run.report("rate_per_limit", full / Double(self.limit))
        if full / Double(self.limit) < 1.28 {
            let text = "the total rate is \(full / Double(self.limit)) of the limit, and must be at least 1.28 of it"
            run.violations.append(Violation(kind: .figure, time: run.virtualSeconds, observer: "scenario", text: text))
        }
        run.report("rate_per_limit_halved", half / Double(self.limit / 2))
        // After the fall below it, five seconds each, since updates come in whole numbers.
        let means = (0..<175).map { Sample.mean(Array(rates[$0..<($0 + 5)])) ?? 0 }
        let lowest = (90..<130).min { means[$0] < means[$1] } ?? 90
        let settled = (lowest..<175).first { abs(means[$0] - half) <= half / 10 }
        run.report("settled_s_after_halving", settled.map { Double($0 - 90) })
        run.report("tau_spread", Sample.mean(Array(spreads[60..<90])))
        run.report("oldest_key_s_steady", ages[60..<90].max())
    }

    private static func versions(of simulation: Simulation) -> Double {
        simulation.running.reduce(0) { sum, place in
            let known = place.engine?.participants(changedAfter: 0).first { $0.isSelf }
            return sum + Double(known?.versions[Int(DeltaLane.user.rawValue)] ?? 0)
        }
    }

    /// What was admitted since the last look: versions come after the set.
    private func refresh(_ board: Board, of simulation: Simulation) {
        for place in simulation.running {
            for key in 0..<self.keys {
                guard
                    let delta = place.engine?.delta(lane: .user, group: "paper", key: DeltaLabel("k\(key)"), from: place.name),
                    delta.version > board.versions[Int(place.slot)][key]
                else { continue }
                board.versions[Int(place.slot)][key] = delta.version
                board.times[Int(place.slot)][key] = simulation.now
            }
        }
    }

    /// Standard deviation over mean.
    private static func spreadOfTau(_ simulation: Simulation) -> Double {
        let taus = simulation.running.compactMap { $0.engine?.statistics.load.admittedRate }
        guard let mean = Sample.mean(taus), mean > 0 else { return 0 }
        let variance = taus.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(taus.count)
        return variance.squareRoot() / mean
    }
}
