// SPDX-License-Identifier: Apache-2.0

import GoferBrokeMembership
import Testing

/// How fast the default settings are, and what they bear: silent hosts, members that stand still, lost packets.
@Suite("Hardship")
struct HardshipTests {
    @Test("A host that falls silent is dead with a median of at most 5 s and a maximum of 8 s over all nodes", arguments: [16, 128])
    func silentHost(count: Int) {
        var times: [Duration] = []
        for seed in 1...(count > 16 ? 1 : 6) {
            let cluster = TestCluster(count, seed: UInt64(seed))
            // The expectations that windows begin with have to give way to what was seen.
            cluster.run(.seconds(16) + .milliseconds(Int64(seed) * 330))
            let start = cluster.now
            cluster.powerOff(0)
            cluster.run(.seconds(8))
            #expect(cluster.everyone(Array(1..<count), sees: .dead, of: [0]))
            #expect(cluster.deaths.allSatisfy { $0.target == "node-1" && $0.reason == .majority })
            times += cluster.deaths.map { $0.time - start }
        }
        times.sort()
        #expect(times[times.count / 2] <= .seconds(5))
    }

    @Test("A killed process is dead for all of 128 nodes within a second")
    func killedOfMany() {
        let cluster = TestCluster(128, seed: 5)
        cluster.run(.seconds(5))
        cluster.kill(0)
        #expect(cluster.run(atMost: .seconds(1)) { cluster.everyone(Array(1..<128), sees: .dead, of: [0]) })
    }

    /// Lifeguard's anomaly: members block all sending and receiving for a while, then run for a while, again and again.
    @Test(
        "While members freeze again and again nobody healthy buries anybody healthy; when it is over all are alive by themselves",
        arguments: [(32, 4, 128, 1), (32, 8, 2_048, 500), (32, 8, 8_192, 1_000), (64, 16, 5_000, 4_000)]
    )
    func freezes(_ plan: (count: Int, frozen: Int, milliseconds: Int64, running: Int64)) {
        let cluster = TestCluster(plan.count, seed: UInt64(plan.milliseconds))
        cluster.run(.seconds(10))
        let end = cluster.now + .seconds(30)
        for index in 0..<plan.frozen {
            cluster.freezeRepeatedly(index, for: .milliseconds(plan.milliseconds), every: .milliseconds(plan.running), until: end)
        }
        cluster.run(.seconds(30))
        let frozen = Set((0..<plan.frozen).map { "node-\($0 + 1)" })
        let wrong = cluster.deaths.filter { !frozen.contains($0.target) && !frozen.contains(cluster.nodes[$0.observer].name) }
        #expect(wrong.isEmpty)
        let everybody = Array(0..<plan.count)
        #expect(cluster.run(atMost: .seconds(60)) { cluster.everyone(everybody, sees: .alive, of: everybody) })
    }

    @Test("Where a quarter of all packets is lost nobody is declared dead", arguments: [2, 10, 30])
    func loss(count: Int) {
        let cluster = TestCluster(count, seed: UInt64(count))
        cluster.run(.seconds(10))
        cluster.lossPercent = 25
        cluster.run(.seconds(60))
        #expect(cluster.deaths.isEmpty)
    }

    @Test("The baseline buries healthy members where ours does not: after a freeze, and where packets are lost")
    func baselineFails() {
        for isBaseline in [false, true] {
            let frozen = TestCluster(16, seed: 3, isBaseline: isBaseline)
            let lossy = TestCluster(10, seed: 4, isBaseline: isBaseline)
            frozen.run(.seconds(20))
            lossy.run(.seconds(20))
            for index in 0..<4 {
                frozen.freezeRepeatedly(index, for: .seconds(8), every: .seconds(1), until: frozen.now + .seconds(40))
            }
            lossy.lossPercent = 25
            frozen.run(.seconds(60))
            lossy.run(.seconds(60))
            let frozenNames = Set((0..<4).map { "node-\($0 + 1)" })
            let isHealthyDead = frozen.deaths.contains { !frozenNames.contains($0.target) }
            #expect(isHealthyDead == isBaseline && lossy.deaths.isEmpty != isBaseline)
        }
    }
}
