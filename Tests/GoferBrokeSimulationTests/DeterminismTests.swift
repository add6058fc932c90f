// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GoferBroke
@testable import GoferBrokeSimulation

/// One seed, one run: twice in a process, and in two processes, whose dictionaries and sets have other orders.
@Suite(.timeLimit(.minutes(5))) struct DeterminismTests {
    struct Hash {
        var value: UInt64 = 0xcbf2_9ce4_8422_2325

        mutating func mix(_ byte: UInt8) {
            self.value = (self.value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }

        mutating func mix(_ text: String) {
            text.utf8.forEach { self.mix($0) }
        }
    }

    /// Deletes, restarts, splits, losses, a change of the configuration at two nodes at once: all that has tables.
    private static let scenario = """
        seed 5
        nodes 9
        tombstone-grace 3.0s
        retention 15.0s
        4.0s write 1 1 40 0.0s
        4.1s write 1 2 20000 0.0s
        4.2s write 2 1 40 1.5s
        4.3s configure 3 Cluster.HeartbeatInterval 1s
        4.3s configure 4 Cluster.HeartbeatInterval 500ms
        4.5s configure 5 Cluster.PhiThreshold 9
        5.0s delete 1 1
        5.1s loss 0.1
        5.5s kill 1
        6.0s split 0,1,2,3|4,5,6,7,8
        6.5s write 6 3 40 0.0s
        9.0s cut-power 2
        12.0s heal
        12.5s leave 3
        13.0s start 1 with-data in-place
        13.5s start 2 without-data moved
        14.0s freeze 5 4.0s
        16.0s reset-connection 6
        40.0s calm

        """

    /// A line that says all: what everybody knows at the end, each line of the trace, each byte that was sent.
    static func faultRun() throws -> String {
        let scenario = try FaultScenario(Self.scenario)
        var trace = Hash()
        let outcome = scenario.run { trace.mix($0) }
        return "faults \(outcome.fingerprint) \(trace.value) \(outcome.violations)"
    }

    /// Every byte that engines send, with its time.
    static func bytesRun() -> String {
        let simulation = Simulation(SimulationOptions(seed: 11))
        var bytes = Hash()
        simulation.onSend = { [unowned simulation] stream, piece in
            bytes.mix("\(simulation.now) \(stream.connection) \(stream.use) \(stream.side) ")
            piece.forEach { bytes.mix($0) }
        }
        let places = (0..<8).map { simulation.addPlace("n\($0)") }
        for place in places {
            simulation.start(place, .init(seeds: place.slot == 0 ? [] : [0, 1].filter { $0 != place.slot }))
        }
        simulation.run(for: .seconds(5))
        simulation.changePaths { $0.setLossEverywhere(0.2) }
        simulation.kill(places[3])
        simulation.run(for: .seconds(10))
        return "bytes \(simulation.bytesSent) \(bytes.value) \(simulation.violations)"
    }

    /// Keeps counts of others and tells their sum; its changes come in the order in which the inbox gives them.
    final class Summer: GossipHandler {
        let keyGroup: DeltaLabel = "sums"
        let calls = Mutex<[String]>([])

        func changed(_ change: DeltaChange, on node: any ClusterNode) async throws {
            self.note("\(node.name) \(change.participant) \(change.key) \(change.delta?.bytes.count ?? -1)")
            guard change.key != "sum" else { return }
            let sum = node.members.reduce(0) { $0 + (node.deltas(of: $1.name, lane: .user)?.count ?? 0) }
            try await node.set(DeltaKey<Int>("sums", "sum"), to: sum)
        }

        func joined(_ member: Member, on node: any ClusterNode) async throws { self.note("\(node.name) + \(member.name)") }
        func died(_ member: Member, on node: any ClusterNode) async throws { self.note("\(node.name) - \(member.name)") }

        private func note(_ line: String) {
            self.calls.withLock { $0.append(line) }
        }
    }

    static func handlerRun() async throws -> String {
        var options = SimulatedCluster.Options(seed: 12)
        // Soon enough for the forgotten one's many values to be taken back, all at one moment.
        options.configuration.deadMemberRetention = .seconds(5)
        let cluster = SimulatedCluster(options)
        let summer = Summer()
        let nodes = try (0..<6).map { try cluster.add("n\($0)", handlers: [summer]) }
        try await cluster.run(until: { cluster.isAgreed }, within: .seconds(30))
        for number in 0..<20 {
            try await nodes[number % 6].set(DeltaKey<Int>(group: "sums", key: DeltaLabel("k\(number)")), to: number)
            try await nodes[5].set(DeltaKey<Int>(group: "sums", key: DeltaLabel("m\(number)")), to: number)
        }
        try await cluster.run(for: .seconds(2))
        cluster.kill(nodes[5])
        cluster.split([[nodes[0], nodes[1]], [nodes[2], nodes[3], nodes[4]]])
        try await cluster.run(for: .seconds(20))
        cluster.heal()
        try await cluster.run(for: .seconds(20))
        var (trace, calls) = (Hash(), Hash())
        cluster.trace.forEach { trace.mix($0) }
        let made = summer.calls.withLock { $0 }
        made.forEach { calls.mix($0) }
        return "handlers \(cluster.fingerprint) \(trace.value) \(made.count) \(calls.value) \(cluster.violations)"
    }

    static func all() async throws -> [String] {
        [try self.faultRun(), self.bytesRun(), try await self.handlerRun()]
    }

    @Test func oneSeedIsOneRun() async throws {
        let (first, second) = (try await Self.all(), try await Self.all())
        #expect(first == second)
        #expect(first.allSatisfy { $0.hasSuffix("[]") }, "and no rule is broken: \(first)")
    }

    @Test func anotherSeedIsAnotherRun() async throws {
        let (first, second) = (SimulatedCluster(seed: 1), SimulatedCluster(seed: 2))
        for cluster in [first, second] {
            for name in ["a", "b", "c"] {
                try cluster.add(name)
            }
            try await cluster.run(for: .seconds(5))
        }
        #expect(first.fingerprint != second.fingerprint)
    }

    @Test func anotherProcessHasTheSameRun() async throws {
        let result = try #require(
            await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
                for line in try await DeterminismTests.all() {
                    print("run: \(line)")
                }
                // Says what differs from process to process: that it did not matter.
                print("order: \(Set(0..<64).map(String.init).joined(separator: ","))")
            }
        )
        let lines = String(decoding: result.standardOutputContent, as: UTF8.self).split(separator: "\n").map(String.init)
        let here = try await Self.all()
        #expect(lines.filter { $0.hasPrefix("run: ") } == here.map { "run: \($0)" })
        let order = "order: \(Set(0..<64).map(String.init).joined(separator: ","))"
        #expect(lines.contains { $0.hasPrefix("order: ") && $0 != order }, "the two processes hash alike: this shows nothing")
    }
}
