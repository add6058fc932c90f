// SPDX-License-Identifier: Apache-2.0

import GoferBrokeMembership
import Testing

/// Whole clusters in virtual time: what everybody believes in the end, and how fast.
@Suite("Clusters")
struct ClusterTests {
    @Test("Healthy jitter accuses nobody", arguments: [2, 3, 5, 16, 40])
    func healthyClustersAreQuiet(count: Int) {
        let cluster = TestCluster(count, seed: UInt64(count))
        cluster.run(.seconds(60))
        #expect(cluster.accusationsPublished == 0 && cluster.deaths.isEmpty)
        #expect(cluster.everyone(Array(0..<count), sees: .alive, of: Array(0..<count)))
        #expect(cluster.nodes.allSatisfy { $0.detector.localHealth == 0 })
    }

    @Test("A killed process is dead everywhere within half a second", arguments: [2, 3, 5, 16, 64], [1, 2])
    func killedIsKnownAtOnce(count: Int, seed: Int) {
        let cluster = TestCluster(count, seed: UInt64(seed))
        cluster.run(.seconds(10))
        let others = Array(1..<count)
        cluster.kill(0)
        #expect(cluster.run(atMost: .milliseconds(500)) { cluster.everyone(others, sees: .dead, of: [0]) })
        #expect(cluster.deaths.allSatisfy { $0.target == "node-1" })
        #expect(cluster.deaths.contains { $0.reason == .crashed })
        cluster.run(.seconds(30))
        #expect(cluster.everyone(others, sees: .dead, of: [0]) && cluster.everyone(others, sees: .alive, of: others))
    }

    @Test("Several killed at once are all dead for all survivors within three seconds, and only they", arguments: [5, 12, 64])
    func massCrash(count: Int) {
        let cluster = TestCluster(count, seed: 3)
        cluster.run(.seconds(10))
        let victims = Array(0..<(count / 3))
        let survivors = Array((count / 3)..<count)
        for victim in victims {
            cluster.kill(victim)
        }
        #expect(cluster.run(atMost: .seconds(3)) { cluster.everyone(survivors, sees: .dead, of: victims) })
        cluster.run(.seconds(20))
        #expect(cluster.everyone(survivors, sees: .alive, of: survivors))
        #expect(cluster.deaths.allSatisfy { death in victims.contains { "node-\($0 + 1)" == death.target } })
    }

    @Test("Each judge says a death once or twice and then rests: no accusation sets off the next", arguments: [2, 5, 20], [true, false])
    func theDeadAreLeftInPeace(count: Int, isKilled: Bool) {
        let cluster = TestCluster(count, seed: UInt64(count))
        cluster.run(.seconds(60))
        if isKilled {
            cluster.kill(0)
        } else {
            cluster.powerOff(0)
        }
        let others = Array(1..<count)
        #expect(cluster.run(atMost: .seconds(20)) { cluster.everyone(others, sees: .dead, of: [0]) })
        // Those who judge it and have not said so by now.
        cluster.run(.seconds(60))
        #expect((1...2 * (count - 1)).contains(cluster.accusationsPublished))
        let (accusations, probes) = (cluster.accusationsPublished, cluster.probes)
        cluster.run(.seconds(120))
        #expect(cluster.accusationsPublished == accusations && cluster.probes == probes)
    }

    @Test("A stopped process is dead everywhere within 8 seconds", arguments: [5, 16, 64])
    func silentIsBuried(count: Int) {
        let cluster = TestCluster(count, seed: 7)
        cluster.run(.seconds(60))
        cluster.freeze(0)
        let others = Array(1..<count)
        #expect(cluster.run(atMost: .seconds(8)) { cluster.everyone(others, sees: .dead, of: [0]) })
        #expect(cluster.deaths.allSatisfy { $0.target == "node-1" && $0.reason == .majority })
    }

    @Test("Of two, the one that stopped is dead after the full suspicion time, on a single word")
    func silentOfTwo() {
        let cluster = TestCluster(2)
        cluster.run(.seconds(60))
        cluster.powerOff(0)
        #expect(cluster.nodes[1].detector.member("node-1", at: cluster.now)?.hasSoleJudge == true)
        #expect(!cluster.run(atMost: .seconds(7)) { cluster.status(of: 0, at: 1) == .dead })
        #expect(cluster.run(atMost: .seconds(5)) { cluster.status(of: 0, at: 1) == .dead })
        #expect(cluster.deaths.map(\.reason) == [.soleJudge])
    }

    @Test("A node that stood still accuses nobody when it goes on, and comes back from the dead", arguments: [2, 3, 5, 20])
    func thawedAccusesNobody(count: Int) {
        let cluster = TestCluster(count, seed: 11)
        cluster.run(.seconds(30))
        let others = Array(1..<count)
        for pause: Duration in [.seconds(1), .seconds(20), .seconds(4)] {
            cluster.freeze(0)
            cluster.run(pause)
            cluster.thaw(0)
            #expect(cluster.run(atMost: .seconds(15)) { cluster.everyone(others, sees: .alive, of: [0]) })
            cluster.run(.seconds(10))
        }
        #expect(cluster.deaths.allSatisfy { $0.target == "node-1" })
        #expect(cluster.everyone(Array(0..<count), sees: .alive, of: Array(0..<count)))
        #expect(cluster.nodes[0].lanes["node-1"]?.accusations.isEmpty == true)
    }

    @Test("One sick node that accuses everybody kills nobody", arguments: [3, 5, 20])
    func sickAccuserKillsNobody(count: Int) {
        let cluster = TestCluster(count, seed: 13)
        cluster.run(.seconds(10))
        cluster.makeSick(0)
        cluster.run(.seconds(40))
        #expect(cluster.deaths.isEmpty)
    }

    @Test("A leaver is never suspected, and has left for everybody", arguments: [2, 5, 20])
    func leavingIsNotDying(count: Int) {
        let cluster = TestCluster(count, seed: 17)
        cluster.run(.seconds(10))
        cluster.leave(0)
        cluster.run(.seconds(20))
        #expect(cluster.everyone(Array(1..<count), sees: .left, of: [0]))
        #expect(cluster.deaths.isEmpty && cluster.accusationsPublished == 0)
    }

    @Test("A restart while the old life is accused or dead is alive at once", arguments: [2, 3, 5, 20], [10, 100, 12_000])
    func restartTakesOver(count: Int, pause: Int) {
        let cluster = TestCluster(count, seed: 19)
        cluster.run(.seconds(10))
        cluster.kill(0)
        cluster.run(.milliseconds(Int64(pause)))
        cluster.restart(0)
        let others = Array(1..<count)
        #expect(cluster.run(atMost: .seconds(2)) { cluster.everyone(others, sees: .alive, of: [0]) })
        let restarted = cluster.now
        cluster.run(.seconds(20))
        #expect(cluster.everyone(Array(0..<count), sees: .alive, of: Array(0..<count)))
        #expect(cluster.deaths.allSatisfy { $0.time <= restarted && $0.target == "node-1" })
        #expect(cluster.nodes.allSatisfy { $0.lanes[$0.name]?.accusations.isEmpty == true })
    }

    @Test(
        "Both sides of a split bury each other and nobody of their own; healed, all are alive again",
        arguments: [(1, 1), (2, 2), (1, 3), (4, 8), (20, 44), (1, 29)]
    )
    func splitsBuryEachOther(_ sides: (left: Int, right: Int)) {
        let cluster = TestCluster(sides.left + sides.right, seed: 23)
        let left = Array(0..<sides.left)
        let right = Array(sides.left..<(sides.left + sides.right))
        cluster.run(.seconds(10))
        cluster.split(left, right)
        #expect(
            cluster.run(atMost: .seconds(40)) {
                cluster.everyone(left, sees: .dead, of: right) && cluster.everyone(right, sees: .dead, of: left)
            }
        )
        cluster.run(.seconds(30))
        #expect(cluster.everyone(left, sees: .dead, of: right) && cluster.everyone(right, sees: .dead, of: left))
        #expect(cluster.everyone(left, sees: .alive, of: left) && cluster.everyone(right, sees: .alive, of: right))
        for death in cluster.deaths {
            let isLeft = left.contains { "node-\($0 + 1)" == death.target }
            #expect(isLeft != left.contains(death.observer), "node-\(death.observer + 1) buried its own \(death.target)")
        }
        cluster.heal()
        let everybody = left + right
        #expect(cluster.run(atMost: .seconds(30)) { cluster.everyone(everybody, sees: .alive, of: everybody) })
        cluster.run(.seconds(20))
        #expect(cluster.everyone(everybody, sees: .alive, of: everybody))
        #expect(cluster.nodes.allSatisfy { $0.lanes[$0.name]?.accusations.isEmpty == true })
    }

    @Test("A link that is deaf in one direction kills nobody where others reach both ends", arguments: [3, 5, 20])
    func oneWayLinkKillsNobody(count: Int) throws {
        let cluster = TestCluster(count, seed: 29)
        cluster.run(.seconds(10))
        let name = cluster.nodes[0].name
        let neighbor = RingPlacement.neighbors(of: name, among: cluster.nodes.map(\.name))[0]
        let peer = try #require(cluster.nodes.firstIndex { $0.name == neighbor })
        cluster.block(from: 0, to: peer)
        cluster.run(.seconds(60))
        #expect(cluster.deaths.isEmpty)
        let facts = cluster.nodes[0].detector.reachability + cluster.nodes[peer].detector.reachability
        #expect(facts.contains { $0.observer != nil })
    }

    @Test("The same seed gives the same history")
    func historyRepeats() {
        func history() -> [Death] {
            let cluster = TestCluster(24, seed: 31)
            cluster.run(.seconds(5))
            cluster.kill(3)
            cluster.split([0, 1, 2], Array(4..<24))
            cluster.run(.seconds(30))
            return cluster.deaths
        }
        let first = history()
        #expect(!first.isEmpty && first == history())
    }
}
