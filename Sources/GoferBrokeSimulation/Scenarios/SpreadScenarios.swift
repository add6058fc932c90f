// SPDX-License-Identifier: Apache-2.0
// How deltas spread: under churn of links, and to a joiner of a large cluster map.

internal import GoferBroke
internal import GoferBrokeConfiguration

extension Scenario {
    static let linkChurn = Scenario(
        "link-churn",
        "10 origins, 200 updates/s each, a connection reset each second: how far readers lag",
        nodes: 64
    ) { run in
        let simulation = run.makeSimulation()
        guard run.build(simulation) else { return }
        simulation.run(for: .seconds(35))
        let group: DeltaLabel = "churn"
        var lags: [Double] = []
        for place in simulation.places { place.watchedGroups = [group] }
        simulation.onEvent = { place, event in
            guard case .delta(let news) = event, news.participant != place.name, let bytes = news.delta?.bytes else { return }
            let sent = bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            lags.append(Double(simulation.now - sent) / 1_000)
        }
        let origins = simulation.roll { [places = simulation.places] in $0.sample(10, of: places) }
        let seconds = Int((run.options.duration ?? .seconds(30)).inSeconds)
        for (number, origin) in origins.enumerated() {
            for update in 0..<(seconds * 200) {
                // Spread evenly, each origin with a phase of its own; 50 keys in turn.
                let at = simulation.now + UInt64(update * 5_000 + number * 487)
                simulation.schedule(at: at) { simulation in
                    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: simulation.now >> (8 * UInt64($0))) }
                    try? simulation.set(origin, group: group, key: DeltaLabel("k\(update % 50)"), bytes: bytes)
                }
            }
        }
        var resets = 0
        for second in 0..<seconds {
            simulation.run(for: .seconds(1))
            if let place = simulation.roll({ [running = simulation.running] in $0.pick(running) }) {
                resets += simulation.resetRandomConnection(of: place) ? 1 : 0
            }
            run.progress(Double(second + 1) / Double(seconds))
        }
        simulation.onEvent = nil
        if !simulation.run(within: .seconds(30), step: .milliseconds(100), until: { simulation.isConverged(run.nodeCount) }),
            let violation = simulation.disagreement()
        {
            simulation.violate(violation)
        }
        run.finish(simulation)
        run.report("connections_reset", Double(resets))
        run.report("deltas_seen", Double(lags.count))
        run.report("lag_ms_median", Sample.median(lags))
        run.report("lag_ms_p99", Sample.quantile(0.99, of: lags), atMost: 50)
        run.report("lag_ms_max", lags.max())
    }

    static let bigJoiner = Scenario(
        "big-joiner",
        "a node joins a cluster that holds 100 MB: who is there and the configuration come first",
        nodes: 16
    ) { run in
        let simulation = run.makeSimulation { $0.hasConfiguration = true }
        guard run.build(simulation) else { return }
        simulation.run(for: .seconds(5))
        let total = 100_000_000
        let (size, perNode) = (10_000, total / 10_000 / run.nodeCount)
        for place in simulation.places {
            for key in 0..<perNode {
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: key), count: size)
                try? simulation.set(place, group: "bulk", key: DeltaLabel("k\(key)"), bytes: bytes)
                if key % 50 == 0 { simulation.run(for: .milliseconds(20)) }
            }
        }
        try? simulation.changeConfiguration("Cluster.PhiThreshold", to: "9", through: simulation.places[0])
        _ = simulation.run(within: .seconds(120), step: .milliseconds(100)) { simulation.isConverged(run.nodeCount) }
        let joiner = simulation.addPlace("joiner")
        let begin = simulation.now
        let received = simulation.bytesSent
        simulation.start(joiner, .init(seeds: simulation.places.prefix(3).map(\.slot)))
        var bytesAtMembers: Double?
        var bytesAtConfiguration: Double?
        let isDone = simulation.run(within: .seconds(120), step: .microseconds(200)) {
            guard let statistics = joiner.engine?.statistics else { return false }
            if bytesAtMembers == nil, statistics.membersAlive == run.nodeCount + 1 {
                bytesAtMembers = Double(statistics.bulkBytesReceived)
            }
            if bytesAtConfiguration == nil, joiner.configuration.replicated.entries.count > 0 {
                bytesAtConfiguration = Double(statistics.bulkBytesReceived)
            }
            return statistics.mapHash == simulation.places[0].engine?.mapHash
        }
        let stored = Double(perNode * run.nodeCount * size)
        run.finish(simulation)
        run.report("user_bytes", stored)
        run.report("share_of_bytes_when_all_members_known", bytesAtMembers.map { $0 / stored }, atMost: 0.01)
        run.report("share_of_bytes_when_configuration_known", bytesAtConfiguration.map { $0 / stored }, atMost: 0.01)
        run.report("complete_s", isDone ? Double(simulation.now - begin) / 1e6 : nil)
        run.report("bytes_sent_by_all_per_user_byte", Double(simulation.bytesSent - received) / stored)
    }
}
