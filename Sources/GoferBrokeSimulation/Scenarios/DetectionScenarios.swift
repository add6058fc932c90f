// SPDX-License-Identifier: Apache-2.0
// How fast the end of a node is known.
internal import GoferBroke

extension Scenario {
    static let idle = Scenario("idle", "a quiet cluster: what it costs to simulate, and to be there", nodes: 64) { run in
        let simulation = run.makeSimulation()
        let joined = simulation.buildCluster(run.nodeCount)
        run.report("joined_seconds", joined?.inSeconds)
        let (bytes, begin) = (simulation.bytesSent, simulation.now)
        let duration = run.options.duration ?? .seconds(60)
        for part in 1...20 {
            simulation.run(until: begin + duration.positiveMicros * UInt64(part) / 20)
            run.progress(Double(part) / 20)
        }
        let sent = Double(simulation.bytesSent - bytes) / Double(run.nodeCount) / duration.inSeconds
        run.report("payload_bytes_per_node_s", sent)
        run.report("links_per_node", simulation.meanLinks)
        run.report("turns", Double(simulation.turnCount))
        if let violation = simulation.disagreement() { simulation.violate(violation) }
        run.finish(simulation)
    }

    static let killedProcess = Scenario("killed-process", "one process is killed; its host goes on", nodes: 1_000) { run in
        Scenario.endOfOne(run, bound: 1) { $0.kill($1) }
    }

    static let silentHost = Scenario("silent-host", "one host loses its power: nobody hears anything of it", nodes: 128) { run in
        Scenario.endOfOne(run, bound: 8, medianBound: 5) { $0.cutPower($1) }
    }

    /// Ends one node, several times, and asks when the others know.
    private static func endOfOne(
        _ run: ScenarioRun,
        bound: Double,
        medianBound: Double? = nil,
        _ end: (Simulation, NodePlace) -> Void
    ) {
        let simulation = run.makeSimulation()
        guard run.build(simulation) else { return }
        simulation.run(for: .seconds(35))
        let trials = run.nodeCount > 256 ? 3 : 10
        var times: [Double] = []
        for trial in 0..<trials where simulation.violations.isEmpty {
            guard let victim = simulation.roll({ [running = simulation.running] in $0.pick(running) }) else { break }
            // At any place of the heartbeats' rhythm.
            simulation.run(for: .microseconds(Int64(simulation.roll { $0.below(UInt64(2_000_000)) })))
            times += Self.timesOfDeath(of: victim, in: simulation, within: .seconds(60)) { end(simulation, victim) }
            simulation.run(for: .seconds(5))
            simulation.start(victim, .init(seeds: simulation.running.prefix(3).map(\.slot)))
            _ = simulation.run(within: .seconds(60), step: .milliseconds(100)) { simulation.isConverged(run.nodeCount) }
            run.progress(Double(trial + 1) / Double(trials))
        }
        run.finish(simulation)
        run.report("trials", Double(trials))
        if let medianBound {
            run.report("detect_s_median", Sample.median(times), atMost: medianBound)
        } else {
            run.report("detect_s_median", Sample.median(times))
        }
        run.report("detect_s_p99", Sample.quantile(0.99, of: times))
        run.report("detect_s_max", times.count == trials * (run.nodeCount - 1) ? times.max() : nil, atMost: bound)
    }

    /// When each of the others held a node for dead, in seconds after `end`; shorter than that where some did not.
    static func timesOfDeath(
        of victim: NodePlace,
        in simulation: Simulation,
        within bound: Duration,
        _ end: () -> Void
    ) -> [Double] {
        let generation = victim.generation
        let begin = simulation.now
        var times: [Int32: Double] = [:]
        simulation.onMember = { observer, member, _ in
            guard member.name == victim.name, member.generation == generation, member.status == .dead else { return }
            if times[observer.slot] == nil {
                times[observer.slot] = Double(simulation.now - begin) / 1e6
            }
        }
        end()
        let others = simulation.running.count
        _ = simulation.run(within: bound, step: .milliseconds(50)) { times.count >= others }
        simulation.onMember = nil
        return times.keys.sorted().compactMap { times[$0] }
    }
}

extension Simulation {
    var meanLinks: Double? {
        Sample.mean(self.running.compactMap { place in (place.engine?.statistics.linksOpen).map(Double.init) })
    }
}
