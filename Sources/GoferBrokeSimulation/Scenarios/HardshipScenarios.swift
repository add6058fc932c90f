// SPDX-License-Identifier: Apache-2.0
// Freezes and losses: who is slow must not be called dead, and must not call others so.

internal import GoferBroke
internal import GoferBrokeMembership

extension Scenario {
    static let freezes = Scenario(
        "freezes",
        "members freeze for D, run for I, again and again (Lifeguard, section 5), with plain phi accrual beside it",
        nodes: 128
    ) { run in
        let counts = [1, 4, 8, 16, 32].filter { $0 < run.nodeCount / 2 }
        let times: [Int64] = [128, 512, 2_048, 8_192, 16_384, 32_768]
        let pauses: [Int64] = [64, 1_024, 8_192]
        var own: [Double] = []
        var ofFrozen: [Double] = []
        var baseline: [Double] = []
        for (number, count) in counts.enumerated() {
            var sums = (own: 0, frozen: 0, baseline: 0)
            for (row, time) in times.enumerated() {
                // Each count meets each pause with some of the times.
                let pause = pauses[(number + row) % pauses.count]
                let schedule = FreezeSchedule(count: count, time: .milliseconds(time), pause: .milliseconds(pause))
                let result = schedule.run(run, baseline: false)
                sums.own += result.healthy
                sums.frozen += result.frozen
                sums.baseline += schedule.run(run, baseline: true).healthy
                run.progress((Double(number) + Double(row + 1) / Double(times.count)) / Double(counts.count))
            }
            own.append(Double(sums.own))
            ofFrozen.append(Double(sums.frozen))
            baseline.append(Double(sums.baseline))
        }
        run.report("frozen_members", curve: counts.map(Double.init))
        run.report("healthy_declared_dead", curve: own)
        run.report("frozen_declared_dead", curve: ofFrozen)
        run.report("baseline_healthy_declared_dead", curve: baseline)
        run.report("healthy_declared_dead_total", own.reduce(0, +), atMost: 0)
        run.report("baseline_healthy_declared_dead_total", baseline.reduce(0, +))
    }

    /// One cell of the schedule.
    private struct FreezeSchedule {
        let count: Int
        let time: Duration
        let pause: Duration

        /// Deaths of and by members that never froze, and deaths of those that did.
        func run(_ run: ScenarioRun, baseline: Bool) -> (healthy: Int, frozen: Int) {
            let simulation = run.makeSimulation { options in
                guard baseline else { return }
                options.makeDetector = { PlainPhiDetector(name: $0, generation: $1, settings: $2, seed: $3) }
            }
            guard run.build(simulation, "freezes") else { return (0, 0) }
            simulation.run(for: .seconds(12))
            let sick = simulation.roll { [places = simulation.places] in $0.sample(self.count, of: places) }
            simulation.deaths.faulty = Set(sick.map(\.slot))
            let end = simulation.now + (run.options.duration ?? .seconds(100)).positiveMicros
            for place in sick {
                let offset = simulation.roll { $0.time(in: .zero...self.time + self.pause) }
                simulation.schedule(after: offset) { self.freeze(place, in: $0, until: end) }
            }
            simulation.run(until: end)
            let isBack = simulation.run(within: self.time + .seconds(60), step: .milliseconds(250)) {
                simulation.isConverged(run.nodeCount)
            }
            let healthy = simulation.deaths.falseDeaths.count
            if baseline {
                // It is only compared with: what it breaks is its own.
                run.virtualSeconds += simulation.seconds
            } else {
                if !isBack, let violation = simulation.disagreement() { simulation.violate(violation) }
                run.finish(simulation)
            }
            return (healthy, simulation.deaths.countOfRunning - healthy)
        }

        private func freeze(_ place: NodePlace, in simulation: Simulation, until end: UInt64) {
            guard simulation.now < end else { return }
            simulation.freeze(place, for: self.time)
            simulation.schedule(after: self.time + self.pause) { self.freeze(place, in: $0, until: end) }
        }
    }

    static let loss = Scenario(
        "loss",
        "packets lost on every link, 25 % and 50 %, for 30 s and 5 min: nobody may die at 25 %",
        nodes: 100
    ) { run in
        for share in [0.25, 0.5] {
            for seconds in [30, 300] {
                let simulation = run.makeSimulation()
                let label = "loss_\(Int(share * 100))_\(seconds)s"
                guard run.build(simulation, label) else { return }
                simulation.run(for: .seconds(12))
                simulation.changePaths { $0.setLossEverywhere(share) }
                simulation.run(for: .seconds(seconds))
                let deaths = simulation.deaths.countOfRunning
                simulation.changePaths { $0.heal() }
                let begin = simulation.now
                let isBack = simulation.run(within: .seconds(60), step: .milliseconds(250)) { simulation.isConverged(run.nodeCount) }
                run.report("agreed_s_\(label)", isBack ? Double(simulation.now - begin) / 1e6 : nil, atMost: 60)
                if share < 0.5 {
                    run.report("deaths_\(label)", Double(deaths), atMost: 0)
                    run.finish(simulation)
                } else {
                    // The target is the same; what is reached is reported.
                    run.report("deaths_\(label)", Double(deaths))
                    run.virtualSeconds += simulation.seconds
                }
                run.progress(share < 0.5 ? 0.25 : 0.75)
            }
            for pace in [200, 2_000] {
                let gaps = StreamGaps.measure(run, loss: share, pace: .milliseconds(pace))
                let label = "\(Int(share * 100))_every_\(pace)ms"
                for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
                    run.report("gap_ms_\(name)_\(label)", Sample.quantile(quantile, of: gaps.gaps))
                }
                run.report("share_silent_over_5s_\(label)", gaps.shareSilentOver5s)
            }
        }
    }
}

/// Gaps between answers over simulated TCP, without engines: to be compared with a real kernel's (scripts/measure-loss).
private struct StreamGaps {
    var gaps: [Double] = []
    var shareSilentOver5s = 0.0

    /// A request each `pace` on each of 64 connections, each answered, for two minutes.
    static func measure(_ run: ScenarioRun, loss: Double, pace: Duration) -> StreamGaps {
        let simulation = run.makeSimulation()
        let (a, b) = (simulation.addPlace("a"), simulation.addPlace("b"))
        var last: [Int32: UInt64] = [:]
        var result = StreamGaps()
        var silent = 0.0
        let duration = 120_000_000.0
        let connections = (0..<64).map { _ in simulation.openRawConnection(from: a, to: b) }
        simulation.changePaths { $0.setLossEverywhere(loss) }
        simulation.onRawArrival = { connection, side in
            if side == 1 { return simulation.sendRaw(on: connection, from: 1) }
            let before = last[connection] ?? simulation.now
            // What arrives in one burst is read in one go.
            if simulation.now > before + 1_000 || last[connection] == nil { last[connection] = simulation.now }
            if simulation.now > before + 1_000 {
                let gap = Double(simulation.now - before)
                result.gaps.append(gap / 1_000)
                silent += max(gap - 5e6, 0)
            }
        }
        for connection in connections {
            var at = simulation.now
            for _ in 0..<Int(duration / Double(pace.micros)) {
                simulation.schedule(at: at) { $0.sendRaw(on: connection, from: 0) }
                at += pace.positiveMicros
            }
        }
        simulation.run(for: .seconds(120))
        for connection in connections {
            silent += max(Double(simulation.now - (last[connection] ?? 1_000_000)) - 5e6, 0)
        }
        result.shareSilentOver5s = silent / duration / Double(connections.count)
        return result
    }
}
