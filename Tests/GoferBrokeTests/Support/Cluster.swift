// SPDX-License-Identifier: Apache-2.0
// Nodes for tests: on free loopback ports, with deadlines instead of patience.

import GoferBroke
import GoferBrokeConfiguration
import Logging
import Testing

/// A deadline passed before what was waited for.
struct DeadlinePassed: Error, CustomStringConvertible {
    var what: String
    var description: String { "not within the deadline: \(what)" }
}

/// Runs `body` and throws if it takes longer than `limit`.
func within<Result: Sendable>(
    _ what: String,
    limit: Duration = .seconds(15),
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let result = first else { throw DeadlinePassed(what: what) }
        return result
    }
}

/// Waits until a condition holds; throws after `limit`.
func eventually(_ what: String, within limit: Duration = .seconds(15), _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else { throw DeadlinePassed(what: what) }
        try await Task.sleep(for: .milliseconds(2))
    }
}

func quietLogger(_ handler: (any LogHandler)? = nil) -> Logger {
    Logger(label: "test") { _ in handler ?? SwiftLogNoOpLogHandler() }
}

/// Names unique in this process, so that metrics and clusters of tests never meet.
enum Unique {
    static func name(_ stem: String) -> String {
        "\(stem)-\(UInt32.random(in: .min ... .max))"
    }
}

/// Nodes of one cluster, all in this process.
struct TestCluster: Sendable {
    let name: String
    var nodes: [GossipNode] = []

    init(name: String = Unique.name("cluster")) {
        self.name = name
    }

    var seeds: [Endpoint] {
        self.nodes.first.map { [Endpoint(host: "127.0.0.1", port: $0.port)] } ?? []
    }

    /// Makes, starts and adds a node; the first one is everybody's seed.
    @discardableResult
    mutating func add(_ node: String, configure: (inout GossipNode.Configuration) -> Void = { _ in }) async throws -> GossipNode {
        var configuration = GossipNode.Configuration(cluster: self.name, name: node, seeds: self.seeds)
        configuration.node.areSystemFactsOff = true
        configure(&configuration)
        let node = try GossipNode(configuration: configuration, logger: quietLogger())
        self.nodes.append(node)
        try node.start()
        try await within("\(node.name) joins") { try await node.waitUntilJoined() }
        return node
    }

    /// Until everybody holds everybody for alive.
    func converge() async throws {
        for node in self.nodes {
            try await eventually("\(node.name) sees \(self.nodes.count) live members") {
                node.members.filter { $0.status == .alive }.count == self.nodes.count
            }
        }
    }

    func shutdown() async {
        for node in self.nodes {
            await node.shutdown()
        }
    }
}

/// Runs a test with so many nodes named `n1`, `n2`, …, and shuts them down whatever happens.
func withCluster(of count: Int, _ body: (TestCluster) async throws -> Void) async throws {
    var cluster = TestCluster()
    do {
        for index in 1...count {
            try await cluster.add("n\(index)")
        }
        try await cluster.converge()
        try await body(cluster)
    } catch {
        await cluster.shutdown()
        throw error
    }
    await cluster.shutdown()
}

extension DeltaKey where Value == Int {
    static var limit: Self { .init("limits", "max") }
}
