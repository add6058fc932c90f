// SPDX-License-Identifier: Apache-2.0
// gofer node

internal import ArgumentParser
internal import GoferBroke
internal import GoferBrokeConfiguration
internal import Logging
internal import ServiceLifecycle
internal import UnixSignals

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// `gofer node`
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Runs a node until it is told to leave.",
        discussion: """
            A flag wins over the environment (GOFERBROKE_…), that over the configuration file, that over the default.
            SIGTERM and SIGINT leave the cluster and end; SIGHUP reads the files again and says what has changed.

            Examples:

              gofer node --name test --id 1 --cluster-network LOCAL \\
                --node-ip localhost --node-port 8081
              gofer node --name test --id 2 --cluster-network LOCAL \\
                --node-ip localhost --node-port 8082
              gofer node --config node.conf --cluster-config cluster.conf
              gofer node --name web-1 --cluster shop --node-port 0 \\
                --seed 10.0.0.7:8081 --client-port 9081
            """
    )

    @Option(name: .long, help: "First part of the node's name, or all of it without --id.") var name: String?
    @Option(name: .long, help: "Second part: the node is called NAME-ID.") var id: String?
    @Option(name: .long, help: "The cluster's name.") var cluster: String?
    @Option(
        name: .long,
        help: ArgumentHelp("The networks of the cluster: LOCAL, PRIVATE, PUBLIC or DYNAMIC.", valueName: "type"),
        completion: .list(["LOCAL", "PRIVATE", "PUBLIC", "DYNAMIC"])
    )
    var clusterNetwork: String?
    @Option(name: .customLong("node-ip"), help: ArgumentHelp("The address to listen on.", valueName: "host")) var nodeIP: String?
    @Option(name: .long, help: ArgumentHelp("The port to listen on; 0 lets the system choose.", valueName: "port")) var nodePort: String?
    @Option(name: .long, help: ArgumentHelp("The node document.", valueName: "file"), completion: .file()) var config: String?
    @Option(name: .long, help: ArgumentHelp("The cluster document.", valueName: "file"), completion: .file()) var clusterConfig: String?
    @Option(name: .long, help: ArgumentHelp("A node to join through; may be given several times.", valueName: "host:port"))
    var seed: [String] = []
    @Option(name: .long, help: ArgumentHelp("The port for clients; 0 lets the system choose.", valueName: "port"))
    var clientPort: String?
    @Option(
        name: .long,
        help: ArgumentHelp("The Unix socket for clients, or `off`; by default one in the user's runtime folder.", valueName: "path"),
        completion: .file()
    )
    var clientSocket: String?
    @Option(
        name: .long,
        help: ArgumentHelp("Where generation, own deltas and known addresses survive a restart.", valueName: "folder"),
        completion: .directory
    )
    var dataDirectory: String?
    @Option(
        name: .long,
        help: ArgumentHelp("How much is logged.", valueName: "level"),
        completion: .list(ConfigurationLogLevel.allCases.map(\.rawValue))
    )
    var logLevel: String?
    @Flag(name: .long, help: "Print errors as JSON.") var json = false

    /// The flags that were given.
    var flags: NodeFlags {
        NodeFlags(
            name: self.name,
            id: self.id,
            cluster: self.cluster,
            clusterNetwork: self.clusterNetwork,
            nodeIP: self.nodeIP,
            nodePort: self.nodePort,
            seeds: self.seed,
            clientPort: self.clientPort,
            clientSocket: self.clientSocket,
            dataDirectory: self.dataDirectory,
            logLevel: self.logLevel,
            configFile: self.config,
            clusterConfigFile: self.clusterConfig
        )
    }

    func run() async throws {
        // A log that nobody reads any more is no reason to drop out of the cluster without a word.
        signal(SIGPIPE, SIG_IGN)
        let flags = self.flags
        let environment = Environment.all
        let settings = try NodeSettings.load(flags, environment: environment)
        let sink = LogSink(settings.node.configuration)
        let logger = sink.logger(label: "gofer")
        for warning in settings.warnings {
            logger.warning("configuration", metadata: ["warning": "\(warning)"])
        }
        let node = try NodeCommand.makeNode(settings, logger: logger)
        NodeCommand.logDoors(node, logger)
        let reload = ReloadService(settings: settings, node: node, sink: sink, logger: logger) { () throws(CommandFailure) in
            try NodeSettings.load(flags, environment: environment)
        }
        // The group logs its own steps, which say nothing that the node does not.
        var quiet = logger
        quiet.logLevel = sink.level <= .debug ? .debug : .error
        // Without a bound of its own: a node leaves within its LeaveTimeout, which may change meanwhile.
        let group = ServiceGroupConfiguration(
            services: [
                .init(service: reload),
                .init(service: node, successTerminationBehavior: .gracefullyShutdownGroup),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: quiet
        )
        do {
            try await ServiceGroup(configuration: group).run()
        } catch let error as GoferBrokeError {
            throw CommandFailure(error)
        }
    }

    /// A node that listens, or why not.
    static func makeNode(
        _ settings: NodeSettings,
        folder: SocketFolder = SocketFolder(),
        logger: Logger
    ) throws(CommandFailure) -> GossipNode {
        if case .automatic = settings.node.configuration.clientSocket { try folder.prepare() }
        let configuration = try settings.configuration(folder: folder)
        do {
            return try GossipNode(configuration: configuration, logger: logger)
        } catch {
            switch error.code {
            case .configuration: throw CommandFailure(.configuration, .configuration, error.description)
            case .busy: throw NodeCommand.occupied(error, settings, socketPath: configuration.clientSocketPath)
            default: throw CommandFailure(error)
            }
        }
    }

    /// What a node wanted for itself is in use. As a rule by a node of its name, which then answers on the socket of that name.
    private static func occupied(_ error: GoferBrokeError, _ settings: NodeSettings, socketPath: String?) -> CommandFailure {
        var path = socketPath
        if path == nil, case .path(let given) = settings.node.configuration.clientSocket { path = given }
        let (cluster, name) = (settings.cluster.configuration.name, settings.node.configuration.nodeName)
        // Names are their bytes: two spellings of one letter are two nodes.
        guard let path, let other = try? ClientConnection(door: path, timeout: .seconds(1)),
            other.cluster.utf8.elementsEqual(cluster.utf8), other.node.utf8.elementsEqual(name.utf8)
        else { return CommandFailure(error) }
        let reason = "the name is in use in the cluster \(cluster.quoted) on this machine: a node called so answers on \(path)"
        return CommandFailure(GoferBrokeError(code: .nameInUse, operation: "start node \(name)", reason: reason))
    }

    /// Says where clients find the node, unless its configuration wants no such line.
    static func logDoors(_ node: GossipNode, _ logger: Logger) {
        guard !node.nodeConfiguration.isStartupMessageOff else { return }
        var metadata: Logger.Metadata = ["node": "\(node.name)", "cluster": "\(node.cluster)"]
        if let port = node.clientPort { metadata["client-port"] = "\(port)" }
        if let path = node.clientSocketPath { metadata["client-socket"] = "\(path)" }
        logger.info("node started", metadata: metadata)
    }
}

extension LogSink {
    /// As the node document says.
    convenience init(_ configuration: NodeConfiguration) {
        self.init(Destination(configuration.logOutput), level: Logger.Level(configuration.logLevel))
    }
}

extension Logger.Level {
    /// The level that a configuration means.
    init(_ level: ConfigurationLogLevel) {
        switch level {
        case .trace: self = .trace
        case .debug: self = .debug
        case .info: self = .info
        case .notice: self = .notice
        case .warning: self = .warning
        case .error: self = .error
        case .critical: self = .critical
        }
    }
}

/// Reads the configuration again at each SIGHUP, applies what can change, and says what can't.
struct ReloadService: Service {
    let settings: NodeSettings
    let node: GossipNode
    let sink: LogSink
    let logger: Logger
    let load: @Sendable () throws(CommandFailure) -> NodeSettings

    /// Lasts until the group shuts down.
    func run() async throws {
        var current = self.settings
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            do {
                let new = try self.load()
                self.apply(SettingsReload(from: current, to: new), new)
                current = new
            } catch {
                self.logger.error("configuration not reloaded", metadata: ["error": "\(error.description)"])
            }
        }
    }

    private func apply(_ reload: SettingsReload, _ new: NodeSettings) {
        for warning in new.warnings {
            self.logger.warning("configuration", metadata: ["warning": "\(warning)"])
        }
        let applied = reload.applied.filter { difference in
            do {
                try self.apply(difference.key, new)
                return true
            } catch {
                self.logger.error("configuration key not changed", metadata: ["key": "\(difference.key.path)", "error": "\(error)"])
                return false
            }
        }
        self.say("configuration key changed", applied)
        self.say("configuration key counts from the next start", reload.postponed)
        self.say("configuration key is the cluster's: use gofer config set", reload.clusters)
        let count = applied.count + reload.postponed.count + reload.clusters.count
        self.logger.info("configuration reloaded", metadata: ["differences": "\(count)"])
    }

    private func apply(_ key: ConfigurationKey, _ new: NodeSettings) throws(GoferBrokeError) {
        switch LiveKey(rawValue: key.path) {
        case .seeds, .seedServers: try self.node.setSeeds(new.seeds)
        case .logLevel: self.sink.level = Logger.Level(new.node.configuration.logLevel)
        case .leaveTimeout: try self.node.setLeaveTimeout(new.node.configuration.leaveTimeout)
        case nil: throw GoferBrokeError(code: .configuration, operation: "change \(key.path)", reason: "it counts from the next start")
        }
    }

    private func say(_ message: Logger.Message, _ differences: [ConfigurationDifference]) {
        for difference in differences {
            self.logger.notice(
                message,
                metadata: ["key": "\(difference.key.path)", "old": "\(difference.text)", "new": "\(difference.otherText)"]
            )
        }
    }
}
