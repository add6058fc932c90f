// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import GoferBrokeConfiguration
import InMemoryTracing
import Logging
import Metrics
import MetricsTestKit
import Testing
import Tracing

@testable import GoferBroke

@Suite(.serialized, .timeLimit(.minutes(2))) struct ObservabilityTests {
    /// The metrics system can be set up once in a process.
    static let metrics: TestMetrics = {
        let metrics = TestMetrics()
        MetricsSystem.bootstrap(metrics)
        return metrics
    }()

    @Test func metricsAppearUnderTheirPrefix() async throws {
        let metrics = Self.metrics
        var cluster = TestCluster()
        let name = Unique.name("metered")
        let node = try await cluster.add(name) { $0.metricsPrefix = "shop" }
        let other = try await cluster.add(Unique.name("other"))
        try await cluster.converge()
        try await other.set(.limit, to: 1)
        let dimensions = [("node", name)]
        func total(_ label: String) -> Int64 {
            (try? metrics.expectCounter("shop.\(label)", dimensions).totalValue) ?? 0
        }
        try await eventually("the counters have grown") {
            ["rounds", "deltas_applied", "deltas_sent", "bytes_sent", "bytes_received"].allSatisfy { total($0) > 0 }
        }
        try await eventually("two live members are told") {
            let gauge = try metrics.expectGauge("shop.members", dimensions + [("status", "alive")])
            return gauge.lastValue == 2
        }
        #expect(try metrics.expectGauge("shop.local_health", dimensions).lastValue != nil)
        for label in ["links", "queued_bytes", "keys", "pacing", "admitted_per_s", "offered_per_s", "pending_changes"] {
            #expect(try metrics.expectGauge("shop.\(label)", dimensions).lastValue != nil)
        }
        try await eventually("phi of the peer is told") {
            (try? metrics.expectGauge("shop.phi", dimensions + [("peer", other.name)]).lastValue) != nil
        }
        await other.shutdown()
        try await eventually("\(node.name) tells what its detector did about it") {
            total("detector_checks") >= 1 && total("detector_probes") >= 3 && total("detector_accusations") >= 1
                && total("detector_suspicions") >= 1 && total("detector_deaths") == 1
        }
        await cluster.shutdown()
    }

    /// As the metrics system, the tracer can be set up once.
    static let tracer: InMemoryTracer = {
        let tracer = InMemoryTracer()
        InstrumentationSystem.bootstrap(tracer)
        return tracer
    }()

    @Test func joiningAndExchangesAreSpans() async throws {
        let tracer = Self.tracer
        var cluster = TestCluster()
        try await cluster.add(Unique.name("traced"))
        let name = Unique.name("traced")
        try await cluster.add(name)
        func spans(_ operation: String) -> [FinishedInMemorySpan] {
            tracer.finishedSpans.filter { $0.operationName == operation && $0.attributes.get("goferbroke.node") == .string(name) }
        }
        try await eventually("an exchange is told") { !spans("goferbroke.exchange").isEmpty }
        let join = try #require(spans("goferbroke.join").first)
        #expect(join.errors.isEmpty)
        #expect(join.attributes.get("goferbroke.cluster") == .string(cluster.name))
        for span in spans("goferbroke.exchange") {
            #expect(span.startInstant.nanosecondsSinceEpoch <= span.endInstant.nanosecondsSinceEpoch)
        }
        await cluster.shutdown()

        let stranger = Unique.name("stranger")
        let first = try GossipNode(configuration: .init(cluster: "a", name: "first"), logger: quietLogger())
        try first.start()
        let seeds = [Endpoint(host: "127.0.0.1", port: first.port)]
        let refused = try GossipNode(configuration: .init(cluster: "b", name: stranger, seeds: seeds), logger: quietLogger())
        await #expect(throws: GoferBrokeError.self) { try await refused.run() }
        let span = tracer.finishedSpans.first {
            $0.attributes.get("goferbroke.node") == .string(stranger) && $0.operationName == "goferbroke.join"
        }
        #expect(span?.errors.count == 1, "a refused join is a failed span")
        await first.shutdown()
    }

    @Test func theLogTellsTheStoryInOneLineEach() async throws {
        let lines = Mutex<[String]>([])
        let logger = logger { line in
            lines.withLock { $0.append([line.message, line.metadata["member"] ?? ""].filter { !$0.isEmpty }.joined(separator: " ")) }
        }
        let name = Unique.name("logged")
        let node = try GossipNode(configuration: .init(cluster: name, name: "n1"), logger: logger)
        try node.start()
        let seeds = [Endpoint(host: "127.0.0.1", port: node.port)]
        let other = try GossipNode(configuration: .init(cluster: name, name: "n2", seeds: seeds), logger: quietLogger())
        try other.start()
        try await eventually("n2 is seen") { node.member(named: "n2")?.status == .alive }
        await other.leave()
        try await eventually("the leave is seen") { node.member(named: "n2")?.status == .left }
        await node.leave()
        #expect(lines.withLock { $0 } == ["node listens", "joined", "member joined n2", "member left n2", "left"])
    }
}
