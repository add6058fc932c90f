// SPDX-License-Identifier: Apache-2.0
// No key without effect: every key of the table is changed, and what is made of the configuration has to change with it.

import GoferBrokeConfiguration
import GoferBrokeMembership
import Logging
import Testing

@testable import GoferBroke
@testable import gofer

@Suite("Keys and who reads them")
struct KeyConsumerTests {
    /// What one reader of the configuration makes of it, as text.
    private typealias Consumer = @Sendable (ClusterConfiguration, NodeConfiguration) throws -> String

    /// What the core is opened with.
    private static let options: Consumer = { cluster, node in
        var options = try GossipNode.Configuration(cluster: cluster, node: node).options()
        options.engine = EngineSettings()
        return String(describing: options)
    }
    /// What the core takes at the start, and again whenever the configuration changes.
    private static let engine: Consumer = { cluster, node in
        String(describing: EngineSettings(cluster, leaveTimeout: node.leaveTimeout).c)
    }
    private static let detector: Consumer = { cluster, _ in String(describing: DetectorSettings(cluster)) }
    private static let sizes: Consumer = { cluster, _ in String(describing: SizeLimits(cluster)) }
    /// What the node tells of its machine in two minutes.
    private static let facts: Consumer = { cluster, node in
        var facts = SystemFacts()
        var host = HostFacts()
        host.memoryTotal = 1_000
        return [UInt64(1), 120_000_000].map { time in
            host.coreCount += 1
            let due = facts.due(time: time, configuration: cluster, isOff: node.areSystemFactsOff, memberCount: 1) { host }
            return due.map { $0.set.keys.map(\.description).sorted().joined(separator: " ") } ?? "nothing"
        }.joined(separator: ", ")
    }
    private static let network: Consumer = { cluster, node in
        do {
            try node.validate(in: cluster)
            return "fits"
        } catch {
            return "\(error)"
        }
    }
    private static let seeds: Consumer = { cluster, node in
        String(describing: NodeSettings(cluster: .init(cluster), node: .init(node), warnings: []).seeds)
    }
    private static let founding: Consumer = { _, node in
        var state = GossipNode.State(leaveTimeout: .zero, seeds: [])
        return String(state.beginsCluster(isSeed: node.isSeed))
    }
    private static let log: Consumer = { _, node in
        "\(LogSink.Destination(node.logOutput)) from \(LogSink(node).level)"
    }
    /// The lines of a node that starts.
    private static let startMessages: Consumer = { cluster, node in
        let lines = Mutex<[String]>([])
        let sink = LogSink(format: .text, level: .info) { line in lines.withLock { $0.append(line) } }
        var node = node
        node.port = 0
        let started = try GossipNode(configuration: .init(cluster: cluster, node: node), logger: sink.logger(label: "x"))
        NodeCommand.logDoors(started, started.logger)
        return "\(lines.withLock { $0.count }) lines"
    }

    private static let consumers: [String: Consumer] = [
        "cluster Name": options,
        "cluster SeedServers": seeds,
        "cluster Cluster.ClusterNetworkType": seeds,
        "cluster Cluster.GossipInterval": engine,
        "cluster Cluster.NodeSelectionPerGossipRound": engine,
        "cluster Cluster.GossipRoundTimeout": engine,
        "cluster Cluster.EagerPush": engine,
        "cluster Cluster.GossipMode": engine,
        "cluster Cluster.DeltaLimit": engine,
        "cluster Cluster.DeltaOrder": engine,
        "cluster Cluster.FlowControl": engine,
        "cluster Cluster.FlowRateMax": engine,
        "cluster Cluster.FlowDecrease": engine,
        "cluster Cluster.FlowIncrease": engine,
        "cluster Cluster.FlowStep": engine,
        "cluster Cluster.FlowOverCount": engine,
        "cluster Cluster.FlowUnderCount": engine,
        "cluster Cluster.HeartbeatInterval": engine,
        "cluster Cluster.PhiThreshold": detector,
        "cluster Cluster.PaWindowSize": detector,
        "cluster Cluster.PhiMinimumDeviation": detector,
        "cluster Cluster.PhiAcceptablePause": detector,
        "cluster Cluster.FailureKNodesToProbe": detector,
        "cluster Cluster.FailureProbeTimeout": engine,
        "cluster Cluster.SuspicionTime": detector,
        "cluster Cluster.NodeFaultyAfter": detector,
        "cluster Cluster.TombstoneGrace": engine,
        "cluster Cluster.DeadMemberRetention": engine,
        "cluster Cluster.ReconnectInterval": engine,
        "cluster Cluster.SystemFacts": facts,
        "cluster Cluster.SystemLoad": facts,
        "cluster Cluster.SystemFactsInterval": facts,
        "cluster Cluster.MaxNumberOfNodes": options,
        "cluster Cluster.MaxKeysPerParticipant": engine,
        "cluster Cluster.MaxKeySize": sizes,
        "cluster Cluster.MaxKeyGroupSize": sizes,
        "cluster Cluster.MaxValueSize": sizes,
        "cluster Cluster.MaxLinkQueueSize": engine,
        "cluster Cluster.MaxConnections": options,
        "node Name": options,
        "node Id": options,
        "node Host": options,
        "node Port": options,
        "node NetworkType": network,
        "node IsSeed": founding,
        "node Seeds": seeds,
        "node AdvertiseAddresses": options,
        "node ClientPort": options,
        "node ClientSocket": options,
        "node DataDirectory": options,
        "node LogLevel": log,
        "node LeaveTimeout": engine,
        "node Internal.LogOutput": log,
        "node Internal.DisableStartupMessage": startMessages,
        "node Internal.DisableInternalGossipSystemUpdate": facts,
    ]

    /// The consumers that are asked again when the cluster's configuration changes.
    private static func live(_ cluster: ClusterConfiguration) throws -> String {
        try [self.engine, self.detector, self.sizes, self.facts].map { try $0(cluster, NodeConfiguration()) }.joined(separator: "\n")
    }

    /// A value that is not the default.
    private static func otherValue(of key: ConfigurationKey) -> String {
        switch key.type {
        case .boolean, .booleanFixedOff: return key.defaultText == "true" ? "false" : "true"
        case .integer(let range), .size(let range): return "\(range.lowerBound + 1)"
        case .float(let range): return "\(range.upperBound)"
        case .duration(let range, _): return "\(Quantity.microseconds(range.upperBound))us"
        case .name: return "/other"
        case .host: return "127.0.0.2"
        case .port: return "9"
        case .choice(let words): return words.last ?? ""
        case .endpoints: return "127.0.0.1:9"
        case .ignored: return ""
        }
    }

    private static let keys = (ConfigurationKeys.cluster + ConfigurationKeys.node).filter { !$0.isMeaningless && $0.aliasOf == nil }

    private static func name(_ key: ConfigurationKey) -> String { "\(key.document.rawValue) \(key.path)" }

    private static func changed(_ key: ConfigurationKey) throws -> (cluster: ClusterConfiguration, node: NodeConfiguration) {
        var (cluster, node) = (ClusterConfiguration(), NodeConfiguration())
        switch key.document {
        case .cluster: cluster = try cluster.setting(key: key.path, to: self.otherValue(of: key), isRunning: false)
        case .node: node = try node.setting(key: key.path, to: self.otherValue(of: key), isRunning: false)
        }
        return (cluster, node)
    }

    private static func isFixed(_ key: ConfigurationKey) -> Bool {
        if case .booleanFixedOff = key.type { return true }
        return false
    }

    @Test func everyKeyIsReadBySomebody() throws {
        for key in Self.keys {
            if Self.isFixed(key) {
                #expect(throws: ConfigurationError.self, "\(key.path) is refused, so nobody has to read it") { try Self.changed(key) }
                continue
            }
            guard let consumer = Self.consumers[Self.name(key)] else {
                Issue.record("\(Self.name(key)) is read by nobody: name its consumer above, or take the key out of the table")
                continue
            }
            let changed = try Self.changed(key)
            let before = try consumer(ClusterConfiguration(), NodeConfiguration())
            let after = try consumer(changed.cluster, changed.node)
            #expect(before != after, "\(Self.name(key)) = \(Self.otherValue(of: key)) changes nothing")
        }
        let known = Set(Self.keys.map(Self.name))
        #expect(Self.consumers.keys.filter { !known.contains($0) }.isEmpty, "consumers of keys that don't exist")
    }

    @Test func noTimeToLeaveIsNotTheDefaultOfTheCore() {
        #expect(EngineSettings(ClusterConfiguration(), leaveTimeout: .zero).leaveTimeout == .microseconds(1))
        #expect(EngineSettings(ClusterConfiguration(), leaveTimeout: .seconds(7)).leaveTimeout == .seconds(7))
    }

    @Test func aliasesFillTheirKey() throws {
        for key in ConfigurationKeys.cluster where key.aliasOf != nil {
            let text = Self.otherValue(of: key)
            let original = try ClusterConfiguration().setting(key: try #require(key.aliasOf), to: text)
            #expect(try ClusterConfiguration().setting(key: key.path, to: text) == original)
            #expect(original != ClusterConfiguration())
        }
    }

    @Test func theColumnLiveIsTrueOfSharedKeys() throws {
        var member = ReplicatedConfiguration(selfName: "n", file: .init())
        _ = member.foundNoCluster()
        for key in Self.keys where key.isReplicated && !Self.isFixed(key) {
            var copy = member
            guard key.change == .live else {
                #expect(throws: ConfigurationError.self, "\(key.path)") { try copy.change(key.path, to: Self.otherValue(of: key)) }
                continue
            }
            let (_, events) = try copy.change(key.path, to: Self.otherValue(of: key))
            #expect(events.liveKeys == [key.path])
            #expect(try Self.live(copy.configuration) != Self.live(ClusterConfiguration()), "\(key.path) is not applied while running")
        }
    }

    @Test func theColumnLiveIsTrueOfANodesOwnKeys() throws {
        let old = NodeSettings(cluster: .init(), node: .init(), warnings: [])
        for key in Self.keys where !key.isReplicated && !Self.isFixed(key) {
            let changed = try Self.changed(key)
            let new = NodeSettings(cluster: .init(changed.cluster), node: .init(changed.node), warnings: [])
            let reload = SettingsReload(from: old, to: new)
            #expect(reload.clusters.isEmpty)
            #expect(reload.applied.map(\.key) == (key.change == .live ? [key] : []), "\(Self.name(key))")
            #expect(reload.postponed.map(\.key) == (key.change == .live ? [] : [key]), "\(Self.name(key))")
            #expect((LiveKey(rawValue: key.path) != nil) == (key.change == .live), "\(Self.name(key))")
        }
        let live = Self.keys.filter { !$0.isReplicated && $0.change == .live }.map(\.path)
        #expect(Set(LiveKey.allCases.map(\.rawValue)) == Set(live))
    }
}
