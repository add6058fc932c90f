// SPDX-License-Identifier: Apache-2.0
// What a node logs, with levels and metadata.

import GoferBrokeConfiguration
import GoferBrokeMembership
import Logging
import Testing

@testable import GoferBroke

@Suite struct NodeLogTests {
    private final class Lines: Sendable {
        let lines = Mutex<[LogLine]>([])

        var logger: Logger {
            GoferBrokeTests.logger(level: .debug) { line in self.lines.withLock { $0.append(line) } }
        }

        func with(_ message: String) -> [LogLine] {
            self.lines.withLock { $0.filter { $0.message == message } }
        }
    }

    @Test func aRestartedMemberIsNotLoggedWithTheAddressOfTheLifeBefore() async throws {
        let lines = Lines()
        let name = Unique.name("restart")
        let node = try GossipNode(configuration: .init(cluster: name, name: "n1"), logger: lines.logger)
        var cluster = TestCluster(name: name)
        cluster.nodes = [node]
        try node.start()
        let first = try await cluster.add("n2")
        try await eventually("n1 sees n2") { node.member(named: "n2")?.status == .alive }
        let before = first.port
        await first.shutdown()
        let second = try await cluster.add("n2")
        try await eventually("the later life is logged") { !lines.with("member restarted").isEmpty }
        let restarted = try #require(lines.with("member restarted").first)
        #expect(restarted.metadata == ["member": "n2", "generation": "\(second.generation)"])
        #expect(lines.with("member joined").first?.metadata["address"].map { $0.hasSuffix(":\(before)") } ?? true)
        try await eventually("n1 has the address of the later life") { node.member(named: "n2")?.address?.port == second.port }
        await cluster.shutdown()
    }

    @Test func anAddressIsLoggedAsASeedIsWritten() async throws {
        let lines = Lines()
        var configuration = GossipNode.Configuration(cluster: Unique.name("six"), name: "n1")
        configuration.node.host = "::1"
        let node = try GossipNode(configuration: configuration, logger: lines.logger)
        #expect(lines.with("node listens").first?.metadata["address"] == "[::1]:\(node.port)")
        await node.shutdown()
    }

    @Test func aNodeThatGoesDoesNotComplainThatItCannotPublish() async throws {
        let lines = Lines()
        let node = try GossipNode(
            configuration: .init(cluster: Unique.name("going"), name: "n1"),
            logger: lines.logger
        )
        try node.start()
        try await within("it has joined") { try await node.waitUntilJoined() }
        await node.leave()
        let value = StampedValue(stamp: ConfigurationStamp(number: 1, writer: "n1"), text: "9.0")
        let publication = ConfigurationPublication(key: "Cluster.PhiThreshold", value: value)
        node.carryOut(ClusterState.Outcome(publish: [publication]))
        #expect(lines.with("can't publish configuration").map(\.level) == [.debug])
    }

    @Test func aSuspicionIsLoggedWithWhoAccuses() async throws {
        let lines = Lines()
        let node = try GossipNode(configuration: .init(cluster: Unique.name("suspect"), name: "n1"), logger: lines.logger)
        let member = GoferBroke.Member(
            name: "n2",
            generation: 7,
            incarnation: 0,
            status: .suspect,
            address: nil,
            links: 0,
            isSelf: false,
            hasDetector: true,
            isDiallable: false
        )
        var accuser = member
        accuser.name = "n3"
        accuser.status = .alive
        node.handle(.member(accuser, .joined, time: 0))
        var alive = member
        alive.status = .alive
        node.handle(.member(alive, .joined, time: 0))
        let accusation = Accusation(
            accuser: "n3",
            accuserGeneration: 7,
            target: "n2",
            generation: 7,
            incarnation: 0,
            reason: .silent
        )
        node.handle(.fact(.accusation(accusation), time: 0))
        node.handle(.member(member, .status, time: 0))
        node.handle(.member(alive, .status, time: 0))
        let suspect = try #require(lines.with("member is suspect").first)
        #expect(suspect.level == .info && suspect.metadata["member"] == "n2" && suspect.metadata["accused-by"] == "n3")
        #expect(lines.with("member is alive").map(\.level) == [.info])
        await node.shutdown()
    }

    @Test func whatIsAmissInTheDataDirectoryIsCalledSo() async throws {
        let lines = Lines()
        let node = try GossipNode(configuration: .init(cluster: Unique.name("amiss"), name: "n1"), logger: lines.logger)
        node.handle(.limit(GoferBrokeError(code: .dataDirectory, operation: "", reason: "addresses: damaged"), participant: nil))
        #expect(lines.with("something is amiss in the data directory").map(\.metadata) == [["error": "addresses: damaged"]])
        await node.shutdown()
    }

    @Test func theStartIsNotLoggedWhereThatIsOff() async throws {
        for isOff in [false, true] {
            let lines = Lines()
            var configuration = GossipNode.Configuration(cluster: Unique.name("silent"), name: "n1")
            configuration.node.isStartupMessageOff = isOff
            let node = try GossipNode(configuration: configuration, logger: lines.logger)
            #expect(lines.with("node listens").count == (isOff ? 0 : 1))
            await node.shutdown()
        }
    }
}
