// SPDX-License-Identifier: Apache-2.0

import GoferBroke
import GoferBrokeSimulation
import Synchronization
import Testing

/// How an application tests its handlers. What it shows stands in the documentation of GoferBrokeSimulation.
@Suite(.timeLimit(.minutes(5))) struct ExampleTests {
    /// Twelve shards of work, and no leader: each node computes who owns which from who is there, and claims its own.
    final class ShardKeeper: GossipHandler {
        static let shards = 0..<12

        let keyGroup: DeltaLabel = "shards"

        /// Rendezvous hashing: a shard belongs to the member that scores highest for it, and only shards of whoever comes or goes move.
        static func shards(of name: String, among names: [String]) -> [Int] {
            self.shards.filter { shard in
                names.max { (self.score($0, shard), $0) < (self.score($1, shard), $1) } == name
            }
        }

        private static func score(_ name: String, _ shard: Int) -> UInt64 {
            let hash = "\(name)/\(shard)".utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
            // The last bytes alone would decide without this.
            return (hash ^ (hash >> 32)) &* 0x9e37_79b9_7f4a_7c15
        }

        private func claim(on node: any ClusterNode) async throws {
            let names = node.members.filter { $0.status < .dead }.map(\.name)
            let mine = Self.shards(of: node.name, among: names).map(String.init).joined(separator: ",")
            if node.value(of: .claim) != mine {
                try await node.set(.claim, to: mine)
            }
        }

        func joined(_ member: Member, on node: any ClusterNode) async throws { try await self.claim(on: node) }
        func left(_ member: Member, on node: any ClusterNode) async throws { try await self.claim(on: node) }
        func died(_ member: Member, on node: any ClusterNode) async throws { try await self.claim(on: node) }
        func changed(_ change: DeltaChange, on node: any ClusterNode) async throws {}
    }

    /// Whether each shard is claimed by exactly one of these nodes.
    private static func isDivided(among nodes: [SimulatedNode]) -> Bool {
        let claims = nodes.flatMap { ($0.value(of: .claim) ?? "").split(separator: ",").compactMap { Int($0) } }
        return claims.sorted() == Array(ShardKeeper.shards)
    }

    @Test func theWorkIsDividedWhateverHappens() async throws {
        let cluster = SimulatedCluster(seed: 7)
        let nodes = try ["a", "b", "c", "d", "e"].map { try cluster.add($0, handlers: [ShardKeeper()]) }
        #expect(try await cluster.run(until: { Self.isDivided(among: nodes) }, within: .seconds(10)), "five begin")

        cluster.kill(nodes[1])
        let four = nodes.filter(\.isRunning)
        #expect(try await cluster.run(until: { Self.isDivided(among: four) }, within: .seconds(2)), "a killed one's shards are taken over")

        cluster.split([[nodes[0], nodes[2]], [nodes[3], nodes[4]]])
        #expect(try await cluster.run(until: { Self.isDivided(among: Array(four[..<2])) }, within: .seconds(60)), "one side does it all")
        #expect(try await cluster.run(until: { Self.isDivided(among: Array(four[2...])) }, within: .seconds(60)), "and so does the other")

        cluster.heal()
        cluster.restart(nodes[1], keepsData: false)
        #expect(try await cluster.run(until: { Self.isDivided(among: nodes) }, within: .seconds(60)), "and together each does its part")
        #expect(try await cluster.run(until: { cluster.isAgreed }, within: .seconds(30)), "\(cluster.disagreement ?? "")")
    }

    /// A cache of what all nodes have told, fed by changes alone.
    final class Cache: GossipHandler {
        let keyGroup: DeltaLabel = "prices"
        private let prices = Synchronization.Mutex<[String: Int]>([:])

        var content: [String: Int] { self.prices.withLock { $0 } }

        func changed(_ change: DeltaChange, on node: any ClusterNode) async throws {
            let name = "\(change.participant)/\(change.key)"
            self.prices.withLock { $0[name] = change.delta?.value(as: Int.self) }
        }
    }

    @Test func aCacheHoldsWhatTheOwnersHaveSet() async throws {
        let cluster = SimulatedCluster(seed: 8)
        let (first, second) = (Cache(), Cache())
        let a = try cluster.add("a", handlers: [first])
        let b = try cluster.add("b", handlers: [second])
        try await cluster.run(until: { a.members.count == 2 && b.members.count == 2 }, within: .seconds(10))
        try await a.set(DeltaKey<Int>("prices", "apple"), to: 3)
        try await b.set(DeltaKey<Int>("prices", "pear"), to: 5)
        try await b.set(DeltaKey<Int>("other", "pear"), to: 9)
        let all = ["a/apple": 3, "b/pear": 5]
        #expect(try await cluster.run(until: { first.content == all && second.content == all }, within: .seconds(1)))

        cluster.cut(from: a, to: b)
        try await a.delete(DeltaKey<Int>("prices", "apple"))
        try await cluster.run(for: .seconds(1))
        #expect(second.content == all, "what is lost on the way has not come")
        cluster.mend(from: a, to: b)
        #expect(try await cluster.run(until: { second.content == ["b/pear": 5] }, within: .seconds(30)), "it comes later")
    }
}

extension DeltaKey where Value == String {
    fileprivate static var claim: Self { .init("shards", "claim") }
}
