// SPDX-License-Identifier: Apache-2.0
// What a node is made with.

@_exported public import GoferBrokeConfiguration
public import GoferBrokeMembership

extension GossipNode {
    /// Makes a failure detector for a node of that name and generation.
    public typealias DetectorFactory =
        @Sendable (_ name: String, _ generation: UInt64, _ settings: DetectorSettings, _ seed: UInt64) -> any FailureDetector

    /// What a node is made with: the two documents, and what only code can say.
    public struct Configuration: Sendable {
        /// What all nodes share, as this node's file or code has it. A node that joins a cluster takes the cluster's; then only
        /// the keys given here are compared with it, and differences are logged.
        public var cluster: ParsedConfiguration<ClusterConfiguration>
        /// What only this node uses.
        public var node: NodeConfiguration
        /// The addresses to try in order to join; nil: those of the two documents. An empty list begins a cluster.
        public var seeds: [Endpoint]?
        /// Another source of seeds.
        public var seedProvider: (any SeedProvider)?
        /// Application logic that begins with the node.
        public var handlers: [any GossipHandler] = []
        /// Path of a Unix socket for clients such as `gofer`; nil: that of the node document, if it states one.
        public var clientSocketPath: String?
        /// First part of the names of all metrics.
        public var metricsPrefix = "goferbroke"
        /// The thread that carries the node; nil: the one that all nodes of this process share.
        public var loop: GossipLoop?
        /// Makes the failure detector, from the node's name and generation, the settings in force, and a seed for its dice. All nodes
        /// of a cluster should have detectors of one kind: what one of them declares means something to the others.
        ///
        /// ```swift
        /// configuration.detector = { PlainPhiDetector(name: $0, generation: $1, settings: $2, seed: $3) }
        /// ```
        public var detector: DetectorFactory = { PhiAccrualDetector(name: $0, generation: $1, settings: $2, seed: $3) }
        /// Events that may wait between the core and the node; 0: the core's default. For tests.
        var eventCountMax: UInt32 = 0

        /// A node of a cluster, in as few words as possible. Clients are not served.
        ///
        /// - Parameters:
        ///   - cluster: The cluster's name. Nodes of different clusters refuse each other.
        ///   - name: The node's name, unique in the cluster.
        ///   - listen: Where to listen; port 0 lets the system choose.
        ///   - seeds: Addresses of other nodes to join through; none begins a cluster.
        public init(
            cluster: String,
            name: String,
            listen: Endpoint = Endpoint(host: "127.0.0.1", port: 0),
            seeds: [Endpoint] = []
        ) {
            self.init(
                cluster: ClusterConfiguration(name: cluster),
                node: NodeConfiguration(name: name, host: listen.host, port: listen.port)
            )
            if !listen.isLoopback {
                self.cluster.configuration.networkType = .dynamic
            }
            self.seeds = seeds
        }

        /// A node by its two documents, made in code. What differs from the defaults counts as given.
        public init(cluster: ClusterConfiguration, node: NodeConfiguration) {
            let given = cluster.differences(from: ClusterConfiguration()).map(\.key.path)
            self.init(cluster: ParsedConfiguration(cluster, givenKeys: given), node: node)
        }

        /// A node by its two documents, the cluster's as it was read from a file.
        public init(cluster: ParsedConfiguration<ClusterConfiguration>, node: NodeConfiguration) {
            self.cluster = cluster
            self.node = node
        }

        /// The seeds in force before any provider was asked.
        var effectiveSeeds: [Endpoint] {
            self.seeds ?? self.node.seeds(in: self.cluster.configuration)
        }

        func options() throws(GoferBrokeError) -> NodeOptions {
            do {
                try self.cluster.configuration.validate()
                try self.node.validate()
                try self.node.validate(in: self.cluster.configuration)
            } catch {
                throw GoferBrokeError(error, operation: "start node \(self.node.nodeName)")
            }
            let cluster = self.cluster.configuration
            var options = NodeOptions(
                cluster: cluster.name,
                name: self.node.nodeName,
                listen: Endpoint(host: self.node.host, port: self.node.port)
            )
            options.advertised = self.node.advertiseAddresses
            options.seeds = try GossipNode.checked(self.effectiveSeeds)
            if let port = self.node.clientPort {
                options.clientListen = Endpoint(host: self.node.host, port: port)
            }
            options.clientSocketPath = self.clientSocketPath
            if options.clientSocketPath == nil, case .path(let path) = self.node.clientSocket {
                options.clientSocketPath = path
            }
            if !self.node.dataDirectory.isEmpty {
                options.dataDirectory = self.node.dataDirectory
            }
            options.participantCountMax = UInt32(clamping: cluster.maxNumberOfNodes)
            options.linkCountMax = UInt32(clamping: cluster.maxConnections)
            options.eventCountMax = self.eventCountMax
            options.engine = EngineSettings(cluster, leaveTimeout: self.node.leaveTimeout)
            return options
        }
    }
}

/// A thread that carries nodes. Nodes share one unless they are told otherwise; a loop of its own keeps a node's latency apart
/// from the others' work.
public final class GossipLoop: Sendable {
    let handle: LoopHandle

    /// Starts the thread. It ends when neither this object nor a node on it is left.
    public init() throws(GoferBrokeError) {
        self.handle = try LoopHandle()
    }
}

extension GoferBrokeError {
    init(_ error: ConfigurationError, operation: String) {
        self.init(code: .configuration, operation: operation, reason: error.description)
    }
}
