// SPDX-License-Identifier: Apache-2.0
// From flags, environment and files to what a node is made with.

internal import Configuration
internal import GoferBroke
internal import GoferBrokeConfiguration

/// The flags of `gofer node` that were given; none has a default.
struct NodeFlags: Sendable, Equatable {
    var name: String?
    var id: String?
    var cluster: String?
    var clusterNetwork: String?
    var nodeIP: String?
    var nodePort: String?
    var seeds: [String] = []
    var clientPort: String?
    var clientSocket: String?
    var dataDirectory: String?
    var logLevel: String?
    var configFile: String?
    var clusterConfigFile: String?

    /// What the flags say of the node document: flag, key, value.
    private var nodeSettings: [(flag: String, key: String, value: String?)] {
        [
            ("--name", "Name", self.name),
            ("--id", "Id", self.id),
            ("--node-ip", "Host", self.nodeIP),
            ("--node-port", "Port", self.nodePort),
            ("--seed", "Seeds", self.seeds.isEmpty ? nil : self.seeds.joined(separator: ",")),
            ("--client-port", "ClientPort", self.clientPort),
            ("--client-socket", "ClientSocket", self.clientSocket),
            ("--data-directory", "DataDirectory", self.dataDirectory),
            ("--log-level", "LogLevel", self.logLevel),
        ]
    }

    /// What the flags say of the cluster document.
    private var clusterSettings: [(flag: String, key: String, value: String?)] {
        [("--cluster", "Name", self.cluster), ("--cluster-network", "Cluster.ClusterNetworkType", self.clusterNetwork)]
    }

    /// Values by key of the node document, each checked.
    func nodeValues() throws(CommandFailure) -> [String: String] {
        for seed in self.seeds where Endpoint(seed) == nil {
            throw .usage("--seed \(seed.quoted) is not an address: HOST:PORT is expected")
        }
        return try NodeFlags.checked(self.nodeSettings, NodeConfiguration.self)
    }

    /// Values by key of the cluster document, each checked.
    func clusterValues() throws(CommandFailure) -> [String: String] {
        try NodeFlags.checked(self.clusterSettings, ClusterConfiguration.self)
    }

    private static func checked<Root: KeyedConfiguration>(
        _ settings: [(flag: String, key: String, value: String?)],
        _ root: Root.Type
    ) throws(CommandFailure) -> [String: String] {
        var values: [String: String] = [:]
        for (flag, key, value) in settings {
            guard let value else { continue }
            do {
                _ = try Root().setting(key: key, to: value, isRunning: false)
            } catch {
                throw .usage("\(flag): expected \(error.expected), found \(error.found)")
            }
            values[key] = value
        }
        return values
    }
}

/// The configuration of a node as it was read, with what is worth telling.
struct NodeSettings: Sendable {
    /// The cluster document.
    var cluster: ParsedConfiguration<ClusterConfiguration>
    /// The node document.
    var node: ParsedConfiguration<NodeConfiguration>
    /// One line each.
    var warnings: [String]

    /// Reads the layers: flags before environment before file before defaults.
    static func load(
        _ flags: NodeFlags,
        environment: [String: String],
        fileSystem: any ConfigurationFileSystem = LocalConfigurationFileSystem()
    ) throws(CommandFailure) -> NodeSettings {
        let nodeValues = try flags.nodeValues()
        let clusterValues = try flags.clusterValues()
        do {
            let cluster = try ConfigurationLayers<ClusterConfiguration>(
                flags: clusterValues,
                environment: environment,
                file: flags.clusterConfigFile,
                fileSystem: fileSystem
            ).resolved()
            let node = try ConfigurationLayers<NodeConfiguration>(
                flags: nodeValues,
                environment: environment,
                file: flags.configFile,
                fileSystem: fileSystem
            ).resolved()
            let warnings = ConfigurationEnvironment.warnings(environment) + cluster.warnings + node.warnings
            return NodeSettings(cluster: cluster, node: node, warnings: warnings)
        } catch {
            throw CommandFailure(error)
        }
    }

    /// The addresses to try in order to join.
    var seeds: [Endpoint] { self.node.configuration.seeds(in: self.cluster.configuration) }

    /// What a node is made with.
    ///
    /// - Parameter folder: Where its socket goes unless the configuration says otherwise.
    func configuration(folder: SocketFolder) throws(CommandFailure) -> GossipNode.Configuration {
        var configuration = GossipNode.Configuration(cluster: self.cluster, node: self.node.configuration)
        configuration.seeds = self.seeds
        if case .automatic = self.node.configuration.clientSocket {
            configuration.clientSocketPath = try folder.socketPath(
                cluster: self.cluster.configuration.name,
                node: self.node.configuration.nodeName
            )
        }
        return configuration
    }
}

/// The keys of a node's own that count as soon as they were read again.
enum LiveKey: String, CaseIterable {
    case seeds = "Seeds"
    case seedServers = "SeedServers"
    case logLevel = "LogLevel"
    case leaveTimeout = "LeaveTimeout"
}

/// What reading the configuration again brought.
struct SettingsReload: Sendable {
    /// Keys that count at once: key, value before, value now.
    var applied: [ConfigurationDifference]
    /// Keys that count when the node is started again.
    var postponed: [ConfigurationDifference]
    /// Shared keys of the cluster document, which is the cluster's: `gofer config set` changes them.
    var clusters: [ConfigurationDifference]

    /// Compares.
    init(from old: NodeSettings, to new: NodeSettings) {
        let ofCluster = old.cluster.configuration.differences(from: new.cluster.configuration)
        self.clusters = ofCluster.filter { $0.key.isReplicated }
        let own = old.node.configuration.differences(from: new.node.configuration) + ofCluster.filter { !$0.key.isReplicated }
        self.applied = own.filter { $0.key.change == .live }
        self.postponed = own.filter { $0.key.change == .restart }
    }
}
