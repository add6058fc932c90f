// SPDX-License-Identifier: Apache-2.0
// Flow control as users of a node see it.

import GoferBrokeConfiguration
import Testing

@testable import GoferBroke

@Suite(.serialized, .timeLimit(.minutes(2))) struct LoadTests {
    /// In the paper's mode a node may admit nothing at first; these are never given anything.
    private static func paced(_ configuration: inout GossipNode.Configuration) {
        configuration.cluster.configuration.gossipMode = .paper
        configuration.cluster.configuration.flowUnderCount = 1_000_000
        configuration.cluster.givenKeys = ["Cluster.GossipMode", "Cluster.FlowUnderCount"]
    }

    /// Takes events until pacing is on, or off; the suite's time limit is the deadline.
    private static func skip(to isPacing: Bool, in events: inout GossipEvents.Iterator) async {
        while let event = await events.next() {
            if case .load(let load) = event, load.isPacing == isPacing { return }
        }
        Issue.record("the events ended")
    }

    @Test func aPacedNodeReadsItsOwnValuesAndSaysThatItIsPaced() async throws {
        var cluster = TestCluster()
        let a = try await cluster.add("n1", configure: Self.paced)
        try await a.set(.limit, to: 1)
        var events = a.events.makeAsyncIterator()
        let b = try await cluster.add("n2", configure: Self.paced)
        try await cluster.converge()
        await Self.skip(to: true, in: &events)
        try await eventually("what was set before is on b") { b.value(of: .limit, from: "n1") == 1 }

        try await a.set(.limit, to: 2)
        #expect(a.value(of: .limit) == 2)
        try await eventually("one change waits") { a.statistics.load.pendingCount == 1 }
        for number in 3...20 {
            try await a.set(.limit, to: number)
            #expect(a.value(of: .limit) == number)
        }
        #expect(a.statistics.load.isPacing)
        #expect(a.statistics.load.admittedRate == 0)
        #expect(a.delta(group: DeltaKey.limit.group, key: DeltaKey.limit.key)?.version == 0)
        #expect(b.value(of: .limit, from: "n1") == 1)

        try await a.changeConfiguration("Cluster.FlowControl", to: "false")
        await Self.skip(to: false, in: &events)
        try await eventually("the newest value is on b") { b.value(of: .limit, from: "n1") == 20 }
        try await eventually("nothing waits") { a.statistics.load.pendingCount == 0 && a.statistics.pacingWaits == 1 }
        await cluster.shutdown()
    }

    @Test func ratesAreNumbersOfChangesPerSecond() {
        let load = GossipLoad(isPacing: true, tau: 1_500_000, rho: 250_000, pendingCount: 3)
        #expect(load.admittedRate == 1.5)
        #expect(load.offeredRate == 0.25)
        #expect(load.pendingCount == 3)
        let answer = LoadAnswer(load)
        #expect(answer.pacing && answer.admittedPerSecond == 1.5 && answer.offeredPerSecond == 0.25 && answer.pending == 3)
    }

    @Test func everySettingReachesTheCoreInItsUnit() {
        var cluster = ClusterConfiguration()
        cluster.gossipMode = .paper
        cluster.deltaOrder = .breadth
        cluster.deltaLimit = 7
        cluster.flowRateMax = 1_234
        cluster.flowDecrease = 0.5
        cluster.flowIncrease = 0.125
        cluster.flowStep = 0.2
        cluster.flowOverCount = 3
        cluster.flowUnderCount = 4
        let settings = String(describing: EngineSettings(cluster, leaveTimeout: .seconds(1)).c)
        for field in [
            "gossip_mode: 1", "delta_order: 1", "delta_limit: 7", "is_flow_disabled: false", "flow_rate_max: 1234",
            "flow_decrease_ppm: 500000", "flow_increase_ppm: 125000", "flow_step_micro: 200000", "flow_over_count: 3",
            "flow_under_count: 4",
        ] {
            #expect(settings.contains(field), "\(field) in \(settings)")
        }
    }
}
