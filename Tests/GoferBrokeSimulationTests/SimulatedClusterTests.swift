// SPDX-License-Identifier: Apache-2.0

import GoferBroke
import GoferBrokeSimulation
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct SimulatedClusterTests {
    /// Notes each call with its time and node; then does what a test wants.
    final class Recorder: GossipHandler {
        struct Refused: Error {}

        let keyGroup: DeltaLabel
        private let noted = Synchronization.Mutex<[String]>([])
        private let onCall: @Sendable (any ClusterNode) async throws -> Void

        init(_ group: DeltaLabel = "g", onCall: @escaping @Sendable (any ClusterNode) async throws -> Void = { _ in }) {
            self.keyGroup = group
            self.onCall = onCall
        }

        var lines: [String] { self.noted.withLock { $0 } }

        private func note(_ line: String, _ node: any ClusterNode) async throws {
            self.noted.withLock { $0.append("\(node.name): \(line)") }
            try await self.onCall(node)
        }

        func changed(_ change: DeltaChange, on node: any ClusterNode) async throws {
            let value = change.delta.map { $0.value(as: Int.self).map(String.init) ?? "?" } ?? "deleted"
            try await self.note("\(change.participant) \(change.key)=\(value)", node)
        }

        func joined(_ member: Member, on node: any ClusterNode) async throws { try await self.note("joined \(member.name)", node) }
        func left(_ member: Member, on node: any ClusterNode) async throws { try await self.note("left \(member.name)", node) }
        func died(_ member: Member, on node: any ClusterNode) async throws { try await self.note("died \(member.name)", node) }
    }

    private static let key = DeltaKey<Int>("g", "k")

    private func joined(_ cluster: SimulatedCluster, _ names: [String]) async throws -> [SimulatedNode] {
        let nodes = try names.map { try cluster.add($0) }
        try #require(try await cluster.run(until: { cluster.isAgreed }, within: .seconds(30)), "\(cluster.disagreement ?? "")")
        return nodes
    }

    // MARK: Time

    @Test func timeMovesWhileItRunsAlone() async throws {
        let cluster = SimulatedCluster(seed: 1)
        let node = try cluster.add("a")
        #expect(cluster.now == .zero)
        #expect(node.status == .joined, "who begins a cluster is in it")
        #expect(try cluster.add("b").status == .joining, "who joins one needs time for it")
        try await Task.sleep(for: .milliseconds(20))
        #expect(cluster.now == .zero, "real time is none of its business")
        try await cluster.run(for: .seconds(2))
        #expect(cluster.now == .seconds(2))
        #expect(cluster.nodes.map(\.status) == [.joined, .joined])
        #expect(try await cluster.run(until: { false }, within: .milliseconds(35)) == false)
        #expect(cluster.now == .milliseconds(2_035))
        #expect(try await cluster.run(until: { true }, within: .zero), "what holds already takes no time")
        #expect(cluster.now == .milliseconds(2_035))
        try await cluster.run(for: .seconds(-1))
        #expect(cluster.now == .milliseconds(2_035), "time does not go back")
    }

    @Test func anHourPasses() async throws {
        let cluster = SimulatedCluster(seed: 2)
        let nodes = try await self.joined(cluster, ["a", "b", "c"])
        try await cluster.run(for: .seconds(3_600))
        #expect(cluster.now > .seconds(3_600))
        #expect(nodes.allSatisfy { $0.members.allSatisfy { $0.status == .alive } })
        #expect(cluster.violations.isEmpty)
    }

    @Test func aCancelledRunEndsAndCanBeRunOn() async throws {
        let cluster = SimulatedCluster(seed: 3)
        let handler = Recorder { _ in try await Task.sleep(for: .seconds(3_600)) }
        let a = try cluster.add("a", handlers: [handler])
        try await a.set(Self.key, to: 1)
        let task = Task { try await cluster.run(for: .seconds(5)) }
        while handler.lines.isEmpty {
            await Task.yield()
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await cluster.run(for: .seconds(1))
        #expect(cluster.now >= .seconds(1))
    }

    @Test func aHandlerCantLetTimePass() async throws {
        let cluster = SimulatedCluster(seed: 4)
        let refused = Synchronization.Mutex<GoferBrokeError.Code?>(nil)
        let handler = Recorder { _ in
            do {
                try await cluster.run(for: .seconds(1))
            } catch let error as GoferBrokeError {
                refused.withLock { $0 = error.code }
            }
        }
        let a = try cluster.add("a", handlers: [handler])
        try await a.set(Self.key, to: 1)
        try await cluster.run(for: .seconds(1))
        #expect(refused.withLock { $0 } == .busy)
        #expect(cluster.now == .seconds(1))
    }

    // MARK: Handlers

    @Test func aHandlerIsToldWhatARealNodeTellsIt() async throws {
        let cluster = SimulatedCluster(seed: 5)
        let recorder = Recorder()
        let b = try cluster.add("b", seeds: [])
        let c = try cluster.add("c", seeds: [b])
        try await b.set(Self.key, to: 1)
        let a = try cluster.add("a", seeds: [b], handlers: [recorder])
        func has(_ line: String, _ what: Comment) async throws {
            #expect(try await cluster.run(until: { recorder.lines.contains(line) }, within: .seconds(10)), what)
        }
        try await has("a: b k=1", "what is there is told")
        try await has("a: joined b", "and who is there")
        try await has("a: joined c", "everybody")
        try await b.set(Self.key, to: 2)
        try await b.set(DeltaKey<Int>("other", "key"), to: 9)
        try await has("a: b k=2", "a change is told")
        try await a.set(Self.key, to: 7)
        try await has("a: a k=7", "one's own too")
        try await b.delete(Self.key)
        try await has("a: b k=deleted", "a deletion is told")
        cluster.kill(c)
        try await has("a: died c", "a death is told")
        cluster.leave(b)
        try await has("a: left b", "a leave is told")
        #expect(b.status == .left)
        #expect(!recorder.lines.contains { $0.contains("key=") }, "other groups are none of its business")
        #expect(!recorder.lines.contains("a: joined a"), "self is no news")
    }

    @Test func aHandlerThatThrowsHarmsNobody() async throws {
        let cluster = SimulatedCluster(seed: 6)
        let (bad, good) = (Recorder { _ in throw Recorder.Refused() }, Recorder())
        let a = try cluster.add("a", handlers: [bad, good])
        try await a.set(Self.key, to: 1)
        try await cluster.run(for: .seconds(1))
        try await a.set(Self.key, to: 2)
        try await cluster.run(for: .seconds(1))
        #expect(bad.lines == ["a: a k=1", "a: a k=2"], "it goes on after its error")
        #expect(good.lines == bad.lines, "and so does its neighbour")
        #expect(cluster.trace.contains { $0.contains("the handler of g at a failed: Refused()") })
    }

    /// Of changes that wait the newest wins, as in a real inbox.
    @Test func aFrozenNodesHandlerGetsTheNewestAlone() async throws {
        let cluster = SimulatedCluster(seed: 7)
        let recorder = Recorder()
        let a = try cluster.add("a", handlers: [recorder])
        let b = try cluster.add("b")
        try #require(try await cluster.run(until: { cluster.isAgreed }, within: .seconds(30)))
        cluster.freeze(a, for: .seconds(2))
        #expect(a.status == .frozen)
        for value in 1...20 {
            try await b.set(Self.key, to: value)
            try await cluster.run(for: .milliseconds(50))
        }
        #expect(!recorder.lines.contains { $0.contains("k=") }, "its process stands still")
        await #expect(throws: GoferBrokeError.self, "and runs no code of its own") { try await a.set(Self.key, to: 0) }
        try await cluster.run(for: .seconds(2))
        #expect(recorder.lines.filter { $0.contains("k=") } == ["a: b k=20"])
        #expect(a.status == .joined)
    }

    /// Each answers the other for ever, and time passes all the same.
    @Test func handlersThatAnswerEachOtherDontStopTime() async throws {
        let cluster = SimulatedCluster(seed: 8)
        let answer: @Sendable (any ClusterNode) async throws -> Void = { node in
            try await node.set(Self.key, to: (node.value(of: Self.key) ?? 0) + 1)
        }
        let a = try cluster.add("a", handlers: [Recorder(onCall: answer)])
        try await a.set(Self.key, to: 0)
        try await cluster.run(for: .milliseconds(5))
        #expect(cluster.now == .milliseconds(5))
        #expect((a.value(of: Self.key) ?? 0) > 100)
    }

    @Test func handlersBeginAnewWithEachLifeIfMadeAnew() async throws {
        let cluster = SimulatedCluster(seed: 9)
        let made = Synchronization.Mutex<[Recorder]>([])
        let make: @Sendable () -> Recorder = {
            let recorder = Recorder()
            made.withLock { $0.append(recorder) }
            return recorder
        }
        let a = try cluster.add("a", handlers: [make()])
        try await a.set(Self.key, to: 1)
        try await cluster.run(for: .seconds(1))
        cluster.restart(a)
        try await cluster.run(for: .seconds(1))
        let recorders = made.withLock { $0 }
        #expect(recorders.map(\.lines) == [["a: a k=1"], ["a: a k=1"]], "the second life begins with what the first had kept")
    }

    // MARK: Lives

    @Test func aRestartWithItsDataKnowsItsValues() async throws {
        let cluster = SimulatedCluster(seed: 10)
        let nodes = try await self.joined(cluster, ["a", "b", "c"])
        try await nodes[2].set(Self.key, to: 5)
        try await cluster.run(for: .seconds(1))
        let generation = nodes[2].generation
        cluster.kill(nodes[2])
        #expect(nodes[2].status == .killed)
        #expect(nodes[2].members.isEmpty)
        #expect(nodes[2].value(of: Self.key) == nil)
        await #expect(throws: GoferBrokeError.self) { try await nodes[2].set(Self.key, to: 6) }
        #expect(try await cluster.run(until: { nodes[0].member(named: "c")?.status == .dead }, within: .seconds(5)))
        #expect(nodes[0].value(of: Self.key, from: "c") == 5, "a dead one's values stay readable")
        cluster.restart(nodes[2], keepsData: true)
        try #require(try await cluster.run(until: { cluster.isAgreed }, within: .seconds(30)), "\(cluster.disagreement ?? "")")
        #expect(nodes[2].generation > generation)
        #expect(nodes.map { $0.value(of: Self.key, from: "c") } == [5, 5, 5])
    }

    @Test func aRestartWithoutItsDataHasNone() async throws {
        let cluster = SimulatedCluster(seed: 11)
        let nodes = try await self.joined(cluster, ["a", "b", "c"])
        try await nodes[2].set(Self.key, to: 5)
        try await cluster.run(for: .seconds(1))
        let generation = nodes[2].generation
        cluster.restart(nodes[2], keepsData: false, isMoved: true)
        try #require(try await cluster.run(until: { cluster.isAgreed }, within: .seconds(30)), "\(cluster.disagreement ?? "")")
        #expect(nodes[2].generation > generation)
        #expect(nodes.map { $0.value(of: Self.key, from: "c") } == [nil, nil, nil], "the earlier life's values are gone everywhere")
        #expect(nodes[0].member(named: "c")?.address?.host == "c-1", "and its new address is known")
    }

    @Test func aNodeBehindANATJoinsAndIsKnown() async throws {
        let cluster = SimulatedCluster(seed: 12)
        let a = try cluster.add("a")
        let b = try cluster.add("b")
        let hidden = try cluster.add("hidden", isBehindNAT: true)
        try #require(try await cluster.run(until: { cluster.isAgreed }, within: .seconds(30)), "\(cluster.disagreement ?? "")")
        try await hidden.set(Self.key, to: 1)
        #expect(try await cluster.run(until: { a.value(of: Self.key, from: "hidden") == 1 }, within: .seconds(1)))
        #expect(a.member(named: "hidden")?.isDiallable == false)
        #expect(a.member(named: "b")?.isDiallable == true || b.member(named: "a")?.isDiallable == true)
        try await cluster.run(for: .seconds(60))
        #expect([a, b].allSatisfy { $0.member(named: "hidden")?.status == .alive }, "nobody takes it for dead")
    }

    @Test func silenceAndRefusalAreToldApart() async throws {
        let cluster = SimulatedCluster(seed: 13)
        let gone = try cluster.add("gone")
        let dark = try cluster.add("dark", seeds: [])
        cluster.kill(gone)
        cluster.cutPower(dark)
        #expect(dark.status == .withoutPower)
        let (a, b) = (try cluster.add("a", seeds: [gone]), try cluster.add("b", seeds: [dark]))
        @Sendable func failure(of node: SimulatedNode) -> GoferBrokeError.Code? {
            node.events.lazy.compactMap { if case .seedFailed(_, let error) = $0.event { error.code } else { nil } }.first
        }
        try await cluster.run(until: { failure(of: a) != nil && failure(of: b) != nil }, within: .seconds(30))
        #expect(failure(of: a) == .connectionRefused, "a host without the process says so")
        #expect(failure(of: b) == .timedOut, "a host without power says nothing")
    }

    // MARK: Looking

    @Test func aNodeTellsWhyAMemberIsDead() async throws {
        let cluster = SimulatedCluster(seed: 14)
        let nodes = try await self.joined(cluster, ["a", "b", "c", "d"])
        #expect(nodes[0].explain("nobody").isEmpty)
        #expect(nodes[0].explain("b").first?.hasPrefix("b is alive") == true)
        cluster.cutPower(nodes[1])
        #expect(try await cluster.run(until: { nodes[0].member(named: "b")?.status == .dead }, within: .seconds(20)))
        #expect(nodes[0].explain("b").first?.hasPrefix("b is dead") == true)
        #expect(nodes[0].explain("b").contains { $0.hasPrefix("accused by ") && $0 != "accused by nobody" })
        let deaths = nodes[0].events.filter { if case .memberDied(let member) = $0.event { member.name == "b" } else { false } }
        #expect(deaths.count == 1)
        #expect(deaths.allSatisfy { $0.time <= cluster.now })
        #expect(nodes[0].phi(of: "b") >= 0)
        #expect(nodes[0].droppedEventCount == 0)
    }

    @Test func eventsAndTraceAreBounded() async throws {
        var options = SimulatedCluster.Options(seed: 15)
        options.traceLineCount = 5
        let cluster = SimulatedCluster(options)
        let nodes = try await self.joined(cluster, ["a", "b"])
        for _ in 0..<400 {
            cluster.kill(nodes[1])
            try await cluster.run(for: .seconds(1))
            cluster.restart(nodes[1])
            try await cluster.run(for: .seconds(1))
        }
        #expect(cluster.trace.count == 5)
        #expect(nodes[0].events.count <= SimulatedNode.eventCountMax)
        #expect(nodes[0].droppedEventCount > 0)
    }

    @Test func aSecondNodeOfANameIsRefused() throws {
        let cluster = SimulatedCluster(seed: 16)
        let a = try cluster.add("a")
        cluster.kill(a)
        #expect(throws: GoferBrokeError.self) { try cluster.add("a") }
        #expect(throws: GoferBrokeError.self) { try cluster.add("") }
        #expect(throws: GoferBrokeError.self) { try cluster.add("a\nb") }
        #expect(throws: GoferBrokeError.self) { try cluster.add(String(repeating: "a", count: 256)) }
        #expect(cluster.nodes.map(\.name) == ["a"])
        #expect(cluster.runningNodes.isEmpty)
    }

    @Test func whatARealNodeRefusesIsRefused() async throws {
        let cluster = SimulatedCluster(seed: 17)
        let a = try cluster.add("a")
        func code(_ body: () async throws -> Void) async -> GoferBrokeError.Code? {
            do {
                try await body()
                return nil
            } catch {
                return (error as? GoferBrokeError)?.code
            }
        }
        #expect(await code { try await a.set(group: "system", key: "k", type: .bytes, bytes: []) } == .groupSize)
        #expect(await code { try await a.set(group: "", key: "k", type: .bytes, bytes: []) } == .groupSize)
        #expect(await code { try await a.set(group: "g", key: "k", type: .int, bytes: [1]) } == .wrongType)
        #expect(await code { try await a.set(Self.key, to: 1, expiresAfter: .zero) } == .invalidArgument)
        #expect(await code { try await a.delete(Self.key) } == .notFound)
        #expect(await code { try await a.set(Self.key, to: 1, expiresAfter: .seconds(Int64.max)) } == nil)
        let size = 4 * 1_024 * 1_024 + 1
        #expect(await code { try await a.set(group: "g", key: "k", type: .bytes, bytes: [UInt8](repeating: 0, count: size)) } == .valueSize)
    }

    /// The baseline buries a whole cluster when its own process stalls; what real nodes use does not.
    @Test(arguments: [true, false]) func detectorsCanBeCompared(isPlain: Bool) async throws {
        var options = SimulatedCluster.Options(seed: 18)
        options.detector = isPlain ? .plainPhi : .phiAccrual
        options.isFalseDeathFatal = false
        let cluster = SimulatedCluster(options)
        let nodes = try await self.joined(cluster, ["a", "b", "c", "d", "e"])
        try await cluster.run(for: .seconds(40))
        cluster.freeze(nodes[0], for: .seconds(20))
        try await cluster.run(for: .seconds(25))
        func deaths(at node: SimulatedNode) -> Int {
            node.events.count { if case .memberDied = $0.event { true } else { false } }
        }
        #expect((deaths(at: nodes[0]) > 0) == isPlain, "the frozen node buries others: \(deaths(at: nodes[0]))")
    }

    // MARK: Configuration, clocks, connections

    @Test func aChangeOfTheConfigurationReachesEverybody() async throws {
        let cluster = SimulatedCluster(seed: 21)
        let nodes = try await self.joined(cluster, ["a", "b", "c"])
        try await nodes[0].changeConfiguration("Cluster.PhiThreshold", to: "11")
        try await cluster.run(for: .seconds(2))
        #expect(nodes.map(\.configuration.phiThreshold) == [11, 11, 11])
        let unknown = await #expect(throws: GoferBrokeError.self) {
            try await nodes[0].changeConfiguration("Cluster.PhiTreshold", to: "11")
        }
        #expect(unknown?.code == .configuration && unknown?.reason.contains("PhiThreshold") == true)
        cluster.freeze(nodes[1], for: .seconds(5))
        let frozen = await #expect(throws: GoferBrokeError.self) { try await nodes[1].changeConfiguration("Cluster.PhiThreshold", to: "9") }
        #expect(frozen?.code == .busy)
        cluster.kill(nodes[2])
        let closed = await #expect(throws: GoferBrokeError.self) { try await nodes[2].changeConfiguration("Cluster.PhiThreshold", to: "9") }
        #expect(closed?.code == .closed)
    }

    @Test func aHostThatSleptAndAResetConnectionHarmNobody() async throws {
        let cluster = SimulatedCluster(seed: 22)
        let nodes = try await self.joined(cluster, ["a", "b", "c"])
        cluster.jumpClock(of: nodes[1], by: .seconds(3_600), timeOfDay: .seconds(-86_400))
        try await cluster.run(for: .seconds(20))
        #expect(nodes.allSatisfy { $0.members.allSatisfy { $0.status == .alive } })
        #expect(cluster.resetConnection(of: nodes[0]))
        try await nodes[0].set(Self.key, to: 7)
        #expect(try await cluster.run(until: { cluster.isAgreed }, within: .seconds(5)))
        #expect(nodes[2].deltas(of: "a")?.count == 1)
        cluster.kill(nodes[2])
        #expect(!cluster.resetConnection(of: nodes[2]), "it has none")
        #expect(cluster.violations.isEmpty)
    }
}
