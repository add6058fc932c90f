// SPDX-License-Identifier: Apache-2.0
// Real nodes on loopback, in one process.

import GoferBroke
import GoferBrokeConfiguration
import Logging
import ServiceLifecycle
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct ClusterTests {
    // MARK: Values

    @Test func aValueSetOnOneNodeIsReadOnTheOther() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            try await a.set(.limit, to: 1_000)
            #expect(a.value(of: .limit) == 1_000, "on return, readers of this node see it")
            try await eventually("b reads it") { b.value(of: .limit, from: "n1") == 1_000 }
            #expect(b.value(of: .limit) == nil)
            try await a.delete(.limit)
            #expect(a.value(of: .limit) == nil)
            try await eventually("it is gone on b") { b.value(of: .limit, from: "n1") == nil }
            await #expect(throws: GoferBrokeError.self) { try await a.delete(.limit) }
        }
    }

    @Test func fiveNodesKnowEachOthersValues() async throws {
        try await withCluster(of: 5) { cluster in
            for (index, node) in cluster.nodes.enumerated() {
                try await node.set(.limit, to: index)
            }
            for node in cluster.nodes {
                try await eventually("\(node.name) has all five") {
                    Set(node.values(of: .limit).map { "\($0.participant)=\($0.value)" }) == ["n1=0", "n2=1", "n3=2", "n4=3", "n5=4"]
                }
            }
        }
    }

    @Test func everyTypeIsTheSameOnTheOtherNode() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            func check<Value: DeltaValue & Equatable>(_ value: Value) async throws {
                let key = DeltaKey<Value>("types", "\(Value.self)")
                try await a.set(key, to: value)
                try await eventually("\(Value.self) arrives") { b.value(of: key, from: "n1") == value }
                #expect(b.delta(group: key.group, key: key.key, from: "n1")?.type == Value.deltaValueType)
            }
            try await check("grün")
            try await check([0, 255, 13, 10] as [UInt8])
            try await check(Int.min)
            try await check(Int8.min)
            try await check(Int16.min)
            try await check(Int32.min)
            try await check(Int64.min)
            try await check(UInt8.max)
            try await check(UInt16.max)
            try await check(UInt32.max)
            try await check(UInt64.max)
            try await check(-0.25)
            try await check(true)
            try await check(DeltaValueTests.Mode.closed)
            try await check(DeltaValueTests.Limits(connections: 3, hosts: ["x"]))
            let wrong = DeltaKey<String>("types", "Int")
            #expect(b.value(of: wrong, from: "n1") == nil, "a key read as another type has no value")
        }
    }

    @Test func anyBytesAreGroupAndKey() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            let group = DeltaLabel("a:b\nc")
            let binary = DeltaLabel(bytes: [0, 0xff, 0x0a])
            try await a.set(group: group, key: "", type: .string, bytes: Array("empty key".utf8))
            try await a.set(group: group, key: binary, type: .bytes, bytes: [])
            try await a.set(group: "a", key: "b\nc:", type: .string, bytes: Array("other".utf8))
            try await eventually("all three arrive") { b.deltas(of: "n1")?.count == 3 }
            #expect(b.delta(group: group, key: "", from: "n1")?.value(as: String.self) == "empty key")
            #expect(b.delta(group: group, key: binary, from: "n1")?.value(as: [UInt8].self) == [])
            #expect(b.delta(group: "a", key: "b\nc:", from: "n1")?.value(as: String.self) == "other")
        }
    }

    @Test func theLargestValueIsExactAndOneByteMoreIsRefusedByName() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            let key = DeltaKey<[UInt8]>("big", "value")
            let largest = (0..<(4 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try await a.set(key, to: largest)
            try await eventually("4 MiB arrive") { b.value(of: key, from: "n1") == largest }
            let tooLarge = largest + [0]
            await #expect {
                try await a.set(key, to: tooLarge)
            } throws: { error in
                let error = error as? GoferBrokeError
                return error?.code == .valueSize && error?.description.contains("MaxValueSize") == true
            }
            #expect(a.value(of: key) == largest, "a refused value changes nothing")
        }
    }

    @Test func labelsOverTheirLimitsAreRefusedByName() async throws {
        try await withCluster(of: 1) { cluster in
            let node = cluster.nodes[0]
            func code(_ group: DeltaLabel, _ key: DeltaLabel) async -> GoferBrokeError.Code? {
                do throws(GoferBrokeError) {
                    try await node.set(group: group, key: key, type: .bool, bytes: [1])
                    return nil
                } catch {
                    return error.code
                }
            }
            #expect(await code("", "k") == .groupSize)
            #expect(await code(DeltaLabel(bytes: Array(repeating: 97, count: 256)), "k") == .groupSize)
            #expect(await code("g", DeltaLabel(bytes: Array(repeating: 97, count: 1_025))) == .keySize)
            #expect(
                await code(DeltaLabel(bytes: Array(repeating: 97, count: 255)), DeltaLabel(bytes: Array(repeating: 98, count: 1_024)))
                    == nil
            )
            await #expect {
                try await node.set(group: "system", key: "platform", type: .bool, bytes: [1])
            } throws: { error in
                let error = error as? GoferBrokeError
                return error?.code == .groupSize && error?.reason.hasPrefix("the key group system is reserved") == true
            }
            #expect(await code("config", "k") == nil, "the configuration stands in a lane of its own, where nobody looks for keys")
            await #expect {
                try await node.set(group: "g", key: "k", type: .bool, bytes: [7])
            } throws: {
                ($0 as? GoferBrokeError)?.code == .wrongType
            }
            await #expect {
                try await node.set(.limit, to: 1, expiresAfter: .zero)
            } throws: {
                ($0 as? GoferBrokeError)?.code == .invalidArgument
            }
        }
    }

    @Test func aClientThatSetsIsToldTheVersion() async throws {
        try await withCluster(of: 1) { cluster in
            let node = cluster.nodes[0]
            var versions: [UInt64] = []
            for number in 0..<100 {
                let bytes = Array("\(number)".utf8)
                let answer = try await node.clientSet(group: "g", key: "k", type: .string, bytes: bytes, timeToLive: nil)
                versions.append(answer.version)
            }
            // 0: the loop had no time for it, as on a machine that does much else.
            let told = versions.filter { $0 > 0 }
            #expect(told.count >= 80 && zip(told, told.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    @Test func aValueWithATimeToLiveDeletesItself() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            try await a.set(.limit, to: 5, expiresAfter: .milliseconds(400))
            try await eventually("b sees it") { b.value(of: .limit, from: "n1") == 5 }
            try await eventually("it is gone everywhere") { b.value(of: .limit, from: "n1") == nil && a.value(of: .limit) == nil }
        }
    }

    @Test func manyTasksSetAndReadAtOnce() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        for step in 0..<200 {
                            let node = (task + step) % 2 == 0 ? a : b
                            let key = DeltaKey<Int>("many", "\(task)-\(step % 10)")
                            try await node.set(key, to: step)
                            _ = a.value(of: key, from: "n2")
                            _ = b.values(of: key)
                            _ = node.members
                            _ = node.phi(of: "n1")
                        }
                    }
                }
                try await group.waitForAll()
            }
            for node in cluster.nodes {
                let other = node === a ? b : a
                try await eventually("\(other.name) has all of \(node.name)") {
                    let mine = Set(node.deltas(of: node.name)?.map { [$0.key.bytes, $0.bytes] } ?? [])
                    return mine.count > 0 && mine == Set(other.deltas(of: node.name)?.map { [$0.key.bytes, $0.bytes] } ?? [])
                }
            }
        }
    }

    // MARK: Sequences

    @Test func eventsBeginWithASnapshotAndTellOfWhoComesAndLeaves() async throws {
        var cluster = TestCluster()
        let first = try await cluster.add("n1")
        var events = first.events.makeAsyncIterator()
        guard case .snapshot(let members)? = await events.next() else {
            Issue.record("the first event is no snapshot")
            return
        }
        #expect(members.map(\.name) == ["n1"])
        let story = Task {
            var lines: [String] = []
            for await event in first.events {
                switch event {
                case .memberJoined(let member): lines.append("joined \(member.name)")
                case .memberLeft(let member):
                    lines.append("left \(member.name)")
                    return lines
                default: break
                }
            }
            return lines
        }
        let second = try await cluster.add("n2")
        try await cluster.converge()
        await second.leave()
        let lines = try await within("n2's leave is told") { await story.value }
        #expect(lines.last == "left n2")
        var seen: [String] = []
        while seen.last != "left n2", let event = await events.next() {
            switch event {
            case .memberJoined(let member): seen.append("joined \(member.name)")
            case .memberLeft(let member): seen.append("left \(member.name)")
            default: break
            }
        }
        #expect(seen == ["joined n2", "left n2"])
        #expect(first.member(named: "n2")?.status == .left)
        await cluster.shutdown()
    }

    @Test func changesBeginWithWhatIsThere() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            try await a.set(.limit, to: 1)
            try await b.set(.limit, to: 2)
            try await eventually("b knows both") { b.values(of: .limit).count == 2 }
            let seen = try await within("changes") {
                var seen: [String] = []
                for await change in b.changes(of: .limit) {
                    seen.append("\(change.participant)=\(change.value.map(String.init) ?? "deleted")")
                    if seen.count == 2 {
                        // Calling the node inside its own loop must never block it.
                        try await b.set(.limit, to: 3)
                        try await a.delete(.limit)
                    }
                    if Set(seen).isSuperset(of: ["n1=1", "n2=2", "n2=3", "n1=deleted"]) { break }
                }
                return seen
            }
            #expect(seen.count == 4, "each change once: \(seen)")
        }
    }

    @Test func aSlowConsumerGetsTheNewestValueAndDelaysNobody() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            var slow = b.changes(of: .limit).makeAsyncIterator()
            let fast = Task {
                for await change in b.changes(of: .limit) where change.value == 2_000 { return true }
                return false
            }
            try await a.set(.limit, to: 0)
            let first = await slow.next()
            #expect(first?.participant == "n1")
            for value in 1...2_000 {
                try await a.set(.limit, to: value)
            }
            #expect(try await within("the fast consumer sees the last value") { await fast.value })
            try await eventually("b has the last value") { b.value(of: .limit, from: "n1") == 2_000 }
            let last = await slow.next()
            #expect(last?.value == 2_000, "the newest value wins")
        }
    }

    @Test func sequencesEndWhenTheNodeStops() async throws {
        var cluster = TestCluster()
        let node = try await cluster.add("n1")
        let tasks = [
            Task { for await _ in node.events {} },
            Task { for await _ in node.changes() {} },
            Task { for await _ in node.changes(of: .limit) {} },
        ]
        await node.shutdown()
        try await within("all sequences end") {
            for task in tasks {
                await task.value
            }
        }
        for await _ in node.changes() {
            Issue.record("a stopped node has no changes")
        }
    }

    @Test func theAPIMayBeCalledInsideItsLoops() async throws {
        var cluster = TestCluster()
        let first = try await cluster.add("n1")
        let loop = Task {
            for await event in first.events {
                _ = first.members
                _ = first.explain("n2")
                _ = first.statistics
                _ = first.configuration
                try await first.set(.limit, to: first.members.count)
                for await _ in first.changes(of: .limit) { break }
                if case .memberJoined = event {
                    // Whoever joins through a node that leaves meanwhile has nobody to join.
                    for await change in first.changes(of: .limit) where change.participant == "n2" { break }
                    await first.leave()
                    break
                }
            }
        }
        let second = try await cluster.add("n2")
        try await second.set(.limit, to: 1)
        try await within("the loop ends after a leave from inside it") { try await loop.value }
        await cluster.shutdown()
    }

    // MARK: Members

    @Test func membersTellWhatIsKnown() async throws {
        try await withCluster(of: 2) { cluster in
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            let own = try #require(a.member(named: "n1"))
            #expect(own.isSelf)
            #expect(own.generation == a.generation)
            let other = try #require(a.member(named: "n2"))
            #expect(!other.isSelf)
            #expect(other.generation == b.generation)
            #expect(other.address?.port == b.port)
            #expect(other.hasDetector)
            #expect(a.member(named: "n3") == nil)
            #expect(a.phi(of: "n3") == 0)
            #expect(a.explain("n3").isEmpty)
            try await eventually("n1 is linked to n2") { a.member(named: "n2")?.links == 1 }
            #expect(a.explain("n2").first?.hasPrefix("n2 is alive") == true)
            try await eventually("n1 tells who judges n2") { a.explain("n2").contains { $0.hasPrefix("judged by") } }
            #expect(a.cluster == cluster.name)
        }
    }

    @Test func aKilledNodeIsDeadForEverybodyWithinASecond() async throws {
        try await withCluster(of: 3) { cluster in
            // A death counts as proved only where a dial was answered before.
            for node in cluster.nodes {
                try await eventually("\(node.name) knows that all can be dialled", within: .seconds(30)) {
                    node.members.allSatisfy { $0.isSelf || $0.isDiallable }
                }
            }
            let start = ContinuousClock.now
            await cluster.nodes[2].shutdown()
            for node in cluster.nodes.prefix(2) {
                try await eventually("\(node.name) holds n3 for dead", within: .seconds(5)) {
                    node.member(named: "n3")?.status == .dead
                }
            }
            #expect(ContinuousClock.now - start < .seconds(1))
            #expect(cluster.nodes[0].explain("n3").first?.hasPrefix("n3 is dead") == true)
        }
    }

    @Test func aLeaveIsToldApartFromADeath() async throws {
        try await withCluster(of: 3) { cluster in
            await cluster.nodes[2].leave()
            #expect(cluster.nodes[2].hasStopped)
            for node in cluster.nodes.prefix(2) {
                try await eventually("\(node.name) knows that n3 left") { node.member(named: "n3")?.status == .left }
            }
            await #expect {
                try await cluster.nodes[2].set(.limit, to: 1)
            } throws: {
                ($0 as? GoferBrokeError)?.code == .closed
            }
        }
    }

    @Test func aRestartUnderTheSameNameTakesOver() async throws {
        try await withCluster(of: 2) { cluster in
            var cluster = cluster
            try await cluster.nodes[1].set(.limit, to: 1)
            try await eventually("n1 has the value") { cluster.nodes[0].value(of: .limit, from: "n2") == 1 }
            let generation = cluster.nodes[1].generation
            await cluster.nodes[1].shutdown()
            let second = try await cluster.add("n2")
            #expect(second.generation > generation)
            try await eventually("n1 sees the later life, without the deltas of the earlier one") {
                let member = cluster.nodes[0].member(named: "n2")
                return member?.status == .alive && member?.generation == second.generation
                    && cluster.nodes[0].value(of: .limit, from: "n2") == nil
            }
            await second.shutdown()
        }
    }

    // MARK: Refusals

    private func refusal(_ configuration: GossipNode.Configuration) async throws -> GoferBrokeError? {
        let node = try GossipNode(configuration: configuration, logger: quietLogger())
        return try await within("\(configuration.node.name) is refused") {
            do {
                try await node.run()
                return nil
            } catch {
                return error as? GoferBrokeError
            }
        }
    }

    @Test func aNameInUseIsAnError() async throws {
        try await withCluster(of: 2) { cluster in
            let error = try await self.refusal(.init(cluster: cluster.name, name: "n2", seeds: cluster.seeds))
            #expect(error?.code == .nameInUse)
            #expect(cluster.nodes[0].member(named: "n2")?.status == .alive)
        }
    }

    @Test func anotherClustersNameIsAnError() async throws {
        try await withCluster(of: 1) { cluster in
            let error = try await self.refusal(.init(cluster: "other", name: "stranger", seeds: cluster.seeds))
            #expect(error?.code == .clusterMismatch)
            #expect(cluster.nodes[0].member(named: "stranger") == nil)
        }
    }

    @Test func aPortInUseIsAnError() async throws {
        try await withCluster(of: 1) { cluster in
            let taken = Endpoint(host: "127.0.0.1", port: cluster.nodes[0].port)
            #expect {
                _ = try GossipNode(configuration: .init(cluster: "c", name: "n", listen: taken), logger: quietLogger())
            } throws: { error in
                let error = error as? GoferBrokeError
                return error?.code == .addressInUse && error?.description.contains("\(taken.port)") == true
            }
        }
    }

    @Test func aWrongConfigurationIsAnErrorThatNamesTheKey() {
        var cluster = ClusterConfiguration(name: "c")
        cluster.phiThreshold = 1_000
        #expect {
            _ = try GossipNode(configuration: .init(cluster: cluster, node: NodeConfiguration(name: "n", port: 0)), logger: quietLogger())
        } throws: { error in
            let error = error as? GoferBrokeError
            return error?.code == .configuration && error?.description.contains("Cluster.PhiThreshold") == true
        }
        #expect {
            _ = try GossipNode(configuration: .init(cluster: "c", name: "n\0m"), logger: quietLogger())
        } throws: {
            $0 is GoferBrokeError
        }
    }

    @Test func aSeedThatIsNotThereYetIsToldAndTriedAgain() async throws {
        // A port that was free a moment ago.
        let probe = try GossipNode(configuration: .init(cluster: "probe", name: "probe"), logger: quietLogger())
        let seed = Endpoint(host: "127.0.0.1", port: probe.port)
        await probe.shutdown()

        let name = Unique.name("late")
        let early = try GossipNode(configuration: .init(cluster: name, name: "early", seeds: [seed]), logger: quietLogger())
        let failure = Task { () -> GoferBrokeError? in
            for await event in early.events {
                if case .seedFailed(seed, let error) = event { return error }
            }
            return nil
        }
        try early.start()
        let error = try await within("the failure is told") { await failure.value }
        #expect(error?.code == .connectionRefused)
        let late = try GossipNode(configuration: .init(cluster: name, name: "late", listen: seed), logger: quietLogger())
        try late.start()
        try await within("early joins late", limit: .seconds(30)) { try await early.waitUntilJoined() }
        try await eventually("they see each other") { late.member(named: "early")?.status == .alive }
        await early.shutdown()
        await late.shutdown()
    }

    @Test func aSeedBeginsAClusterWhenNobodyAnswersAndJoinsTheOtherLater() async throws {
        let probe = try GossipNode(configuration: .init(cluster: "probe", name: "probe"), logger: quietLogger())
        let absent = Endpoint(host: "127.0.0.1", port: probe.port)
        await probe.shutdown()

        let name = Unique.name("founded")
        var configuration = GossipNode.Configuration(cluster: name, name: "founder", seeds: [absent])
        configuration.node.isSeed = true
        let founder = try GossipNode(configuration: configuration, logger: quietLogger())
        try founder.start()
        try await within("the founder is part of its own cluster") { try await founder.waitUntilJoined() }
        #expect(founder.members.map(\.name) == ["founder"])
        let other = try GossipNode(configuration: .init(cluster: name, name: "other", listen: absent), logger: quietLogger())
        try other.start()
        try await eventually("the two become one cluster", within: .seconds(40)) { other.member(named: "founder")?.status == .alive }
        await founder.shutdown()
        await other.shutdown()
    }

    @Test func seedsOfAProviderAreUsed() async throws {
        struct Provider: SeedProvider {
            let list: [Endpoint]
            func seeds() async throws -> [Endpoint] { self.list }
        }
        try await withCluster(of: 1) { cluster in
            var configuration = GossipNode.Configuration(cluster: cluster.name, name: "provided")
            // A seed that nobody answers on keeps the node from beginning a cluster of its own.
            configuration.seeds = [Endpoint(host: "127.0.0.1", port: 1)]
            configuration.seedProvider = Provider(list: cluster.seeds)
            let node = try GossipNode(configuration: configuration, logger: quietLogger())
            try node.start()
            try await within("the node joins through the provider's seed", limit: .seconds(30)) { try await node.waitUntilJoined() }
            try await eventually("the seed sees it") { cluster.nodes[0].member(named: "provided")?.status == .alive }
            await node.shutdown()
        }
    }

    // MARK: Life

    @Test func cancellationStopsANodeAtOnce() async throws {
        let node = try GossipNode(configuration: .init(cluster: "c", name: "n"), logger: quietLogger())
        let run = Task { try await node.run() }
        try await within("the node joins") { try await node.waitUntilJoined() }
        run.cancel()
        try await within("run returns") { try await run.value }
        #expect(node.hasStopped)
        #expect(throws: GoferBrokeError.self) { try node.start() }
    }

    @Test func gracefulShutdownMeansLeave() async throws {
        try await withCluster(of: 1) { cluster in
            let node = try GossipNode(
                configuration: .init(cluster: cluster.name, name: "service", seeds: cluster.seeds),
                logger: quietLogger()
            )
            let group = ServiceGroup(services: [node], logger: quietLogger())
            let run = Task { try await group.run() }
            try await within("it joins") { try await node.waitUntilJoined() }
            try await eventually("it is seen") { cluster.nodes[0].member(named: "service")?.status == .alive }
            await group.triggerGracefulShutdown()
            try await within("the group ends") { try await run.value }
            try await eventually("it is seen to have left") { cluster.nodes[0].member(named: "service")?.status == .left }
        }
    }

    @Test func aNodeThatNobodyHoldsStops() async throws {
        try await withCluster(of: 1) { cluster in
            var node: GossipNode? = try GossipNode(
                configuration: .init(cluster: cluster.name, name: "dropped", seeds: cluster.seeds),
                logger: quietLogger()
            )
            try node?.start()
            try await eventually("it is seen") { cluster.nodes[0].member(named: "dropped")?.status == .alive }
            weak let observer = node
            node = nil
            try await eventually("nothing is left of it") { observer == nil }
            try await eventually("the other notices") { cluster.nodes[0].member(named: "dropped")?.status != .alive }
        }
    }

    @Test func nodesOnALoopOfTheirOwnWorkAsWell() async throws {
        var cluster = TestCluster()
        let loop = try GossipLoop()
        try await cluster.add("n1") { $0.loop = loop }
        try await cluster.add("n2")
        try await cluster.converge()
        await cluster.shutdown()
    }

    // MARK: Configuration

    @Test func boundsAtTheirGreatestAreTakenByTheCore() async throws {
        var cluster = ClusterConfiguration(name: Unique.name("bounds"))
        cluster.seedServers = (1...64).map { Endpoint(host: "127.0.0.1", port: $0) }
        var node = NodeConfiguration(name: "n", host: "127.0.0.1", port: 0)
        node.advertiseAddresses = (1...8).map { Endpoint(host: "127.0.0.1", port: $0) }
        for key in ConfigurationKeys.cluster where key.path.hasPrefix("Cluster.Max") {
            guard case .integer(let range) = key.type else { continue }
            cluster = try cluster.setting(key: key.path, to: "\(range.upperBound)", isRunning: false)
        }
        let open = try GossipNode(configuration: .init(cluster: cluster, node: node), logger: quietLogger())
        #expect(throws: GoferBrokeError.self) { try open.setSeeds(cluster.seedServers + [Endpoint(host: "127.0.0.1", port: 65)]) }
        try open.setSeeds([])
        await open.shutdown()
    }

    @Test func addressesThatDoNotFitTheNetworkAreAnError() throws {
        var node = NodeConfiguration(name: "n", host: "192.0.2.1", port: 0)
        #expect {
            _ = try GossipNode(configuration: .init(cluster: ClusterConfiguration(name: "c"), node: node), logger: quietLogger())
        } throws: { error in
            let error = error as? GoferBrokeError
            return error?.code == .configuration && error?.description.contains("LOCAL") == true
        }
        node.host = "127.0.0.1"
        #expect(throws: Never.self) {
            _ = try GossipNode(configuration: .init(cluster: ClusterConfiguration(name: "c"), node: node), logger: quietLogger())
        }
        let open = GossipNode.Configuration(cluster: "c", name: "n", listen: Endpoint(host: "0.0.0.0", port: 0))
        #expect(open.cluster.configuration.networkType == .dynamic, "who listens for others is not LOCAL by default")
    }

    @Test func theLeaveTimeoutMayChangeWithinItsRangeUntilTheEnd() async throws {
        try await withCluster(of: 2) { cluster in
            let node = cluster.nodes[1]
            for timeout in [Duration.seconds(601), .milliseconds(-1)] {
                #expect {
                    try node.setLeaveTimeout(timeout)
                } throws: { error in
                    let error = error as? GoferBrokeError
                    return error?.code == .configuration && error?.description.contains("LeaveTimeout") == true
                }
            }
            // For the core zero means its default, so this has to become the shortest time instead.
            try node.setLeaveTimeout(.zero)
            await node.leave()
            #expect {
                try node.setLeaveTimeout(.seconds(1))
            } throws: {
                ($0 as? GoferBrokeError)?.code == .closed
            }
        }
    }

    @Test func aJoinerIsHeldToTheClustersLimits() async throws {
        var cluster = TestCluster()
        try await cluster.add("n1") {
            $0.cluster.configuration.maxValueSize = 2_000
            $0.cluster.givenKeys = ["Cluster.MaxValueSize"]
        }
        let joiner = try await cluster.add("n2")
        try await eventually("n2 has the limit") { joiner.configuration.maxValueSize == 2_000 }
        await #expect {
            try await joiner.set(group: "g", key: "k", type: .bytes, bytes: Array(repeating: 0, count: 2_001))
        } throws: {
            ($0 as? GoferBrokeError)?.code == .valueSize
        }
        try await joiner.set(group: "g", key: "k", type: .bytes, bytes: Array(repeating: 0, count: 2_000))
        await cluster.shutdown()
    }

    @Test func aConfigurationChangeReachesEverybodyAndIsAppliedLive() async throws {
        try await withCluster(of: 3) { cluster in
            let told = Task { () -> ConfigurationChange? in
                for await event in cluster.nodes[2].events {
                    if case .configurationChanged(let change) = event, change.newText == "250ms" { return change }
                }
                return nil
            }
            try await cluster.nodes[0].changeConfiguration("Cluster.GossipInterval", to: "250ms")
            #expect(cluster.nodes[0].configuration.gossipInterval == .milliseconds(250))
            for node in cluster.nodes {
                try await eventually("\(node.name) has it") { node.configuration.gossipInterval == .milliseconds(250) }
            }
            let change = try await within("the change is told") { await told.value }
            #expect(change?.isLive == true)
            let rounds = cluster.nodes[1].statistics.rounds
            let start = ContinuousClock.now
            try await eventually("eight more rounds") { cluster.nodes[1].statistics.rounds >= rounds + 8 }
            #expect(ContinuousClock.now - start < .seconds(5), "rounds come four times a second now")
            await #expect {
                try await cluster.nodes[0].changeConfiguration("Cluster.GosipInterval", to: "1s")
            } throws: { error in
                let error = error as? GoferBrokeError
                return error?.code == .configuration && error?.description.contains("GossipInterval") == true
            }
        }
    }

    @Test func aJoinerTakesTheClustersConfiguration() async throws {
        var cluster = TestCluster()
        try await cluster.add("n1") {
            $0.cluster.configuration.phiThreshold = 11; $0.cluster.givenKeys = ["Cluster.PhiThreshold"]
        }
        let joiner = try await cluster.add("n2") {
            $0.cluster.configuration.phiThreshold = 5
            $0.cluster.givenKeys = ["Cluster.PhiThreshold"]
        }
        try await eventually("n2 has n1's threshold") { joiner.configuration.phiThreshold == 11 }
        #expect(cluster.nodes[0].configuration.phiThreshold == 11)
        await cluster.shutdown()
    }

    @Test func factsOfTheMachineAreToldInTheSystemLane() async throws {
        var cluster = TestCluster()
        let teller = try await cluster.add("n1") { $0.node.areSystemFactsOff = false }
        let reader = try await cluster.add("n2")
        try await eventually("n2 knows n1's cores") {
            reader.delta(group: "system", key: "cpu_cores", from: "n1", lane: .system)?.value(as: UInt32.self) ?? 0 > 0
        }
        #expect(reader.delta(group: "system", key: "version", from: "n1", lane: .system)?.value() == GoferBrokeVersion.current)
        #expect(teller.deltas(of: "n2", lane: .system)?.isEmpty == true, "facts are off there")
        #expect(reader.deltas(of: "n1")?.isEmpty == true, "facts are no user data")
        await cluster.shutdown()
    }
}
