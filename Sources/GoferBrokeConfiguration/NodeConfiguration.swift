// SPDX-License-Identifier: Apache-2.0
// What only this node uses.

/// How much a node logs.
public enum ConfigurationLogLevel: String, Sendable, Hashable, CaseIterable {
    /// Everything.
    case trace
    /// What helps to find a fault.
    case debug
    /// What an operator wants to see.
    case info
    /// What an operator should see.
    case notice
    /// What may need attention.
    case warning
    /// What failed.
    case error
    /// What ends the node.
    case critical
}

/// Where and how a node logs.
public enum ConfigurationLogOutput: String, Sendable, Hashable, CaseIterable {
    /// Text on standard output.
    case stdout
    /// Text on standard error.
    case stderr
    /// One JSON object a line on standard output.
    case json
}

/// Whether and where a node listens for local clients.
public enum ClientSocket: Sendable, Hashable {
    /// At the usual place for this user, cluster and node.
    case automatic
    /// At a path.
    case path(String)
    /// Nowhere.
    case off
}

/// The node document: what only this node uses.
///
/// docs/CONFIGURATION.md has the ranges. Values read from text are checked; values set from code are checked by
/// ``KeyedConfiguration/validate()``.
public struct NodeConfiguration: KeyedConfiguration {
    /// The first part of the node's name.
    public var name = "node"
    /// The second part of the node's name; empty for none.
    public var id = ""
    /// The address the node listens on.
    public var host = "localhost"
    /// The port the node listens on; 0 lets the system choose.
    public var port: UInt16 = 8_081
    /// The network this node is in; `undefined` takes the cluster's.
    public var networkType = ClusterNetworkType.undefined
    /// Whether the node starts a cluster when no seed answers at once.
    public var isSeed = false
    /// More addresses to try in order to join, before those of the cluster document.
    public var seeds: [Endpoint] = []
    /// Addresses told to the other nodes instead of the one listened on.
    public var advertiseAddresses: [Endpoint] = []
    /// The port for clients; nil for none, 0 lets the system choose.
    public var clientPort: UInt16?
    /// The socket for clients as text: empty for the usual place, `off` for none, else a path. See ``clientSocket``.
    public var clientSocketText = ""
    /// The folder in which generation, own deltas and known addresses survive a restart; empty for none.
    public var dataDirectory = ""
    /// How much is logged.
    public var logLevel = ConfigurationLogLevel.info
    /// Where and how it is logged.
    public var logOutput = ConfigurationLogOutput.stdout
    /// Whether the line at the start is left out.
    public var isStartupMessageOff = false
    /// Whether this node tells no facts about its machine.
    public var areSystemFactsOff = false
    /// How long a leaving node waits for its neighbours before it goes anyway.
    public var leaveTimeout = Duration.seconds(5)

    /// Creates a configuration with every default.
    public init() {}

    /// Creates a configuration with every default but the name, id and address.
    public init(name: String, id: String = "", host: String = "localhost", port: UInt16 = 8_081) {
        self.name = name
        self.id = id
        self.host = host
        self.port = port
    }

    /// The most seeds of a document, and of both together.
    public static let seedCountMax = 64

    /// The node's name in the cluster: `name-id` where there is an id, else `name`.
    public var nodeName: String { id.isEmpty ? name : "\(name)-\(id)" }

    /// Name and id form one name, which has the bound of a name.
    public func validateTogether() throws(ConfigurationError) {
        guard nodeName.utf8.count <= 255 else {
            throw ConfigurationError(
                .outOfRange,
                key: "Id",
                expected: "a node name (Name-Id) of at most 255 bytes",
                found: "\(nodeName.utf8.count) bytes"
            )
        }
    }

    /// Where the node listens for local clients.
    public var clientSocket: ClientSocket {
        switch clientSocketText {
        case "": return .automatic
        case "off": return .off
        default: return .path(clientSocketText)
        }
    }

    /// This is the node document.
    public static let document = ConfigurationDocumentKind.node

    /// Every key of the document with the property it fills.
    public static let settings: [Setting<NodeConfiguration>] = [
        .name("Name", \.name, .restart, "First part of the node's name, or all of it without Id"),
        .name("Id", \.id, bytes: 0...255, .restart, "Second part: the node is called Name-Id; both together at most 255 bytes"),
        .host("Host", \.host, .restart, "Address that the node listens on"),
        .port("Port", \.port, .restart, "Port that the node listens on; 0 lets the system choose"),
        .choice("NetworkType", \.networkType, .restart, "Network that this node is in; UNDEFINED takes the cluster's"),
        .boolean("IsSeed", \.isSeed, .restart, "Whether the node starts a cluster when no seed answers at once"),
        .endpoints("Seeds", \.seeds, atMost: seedCountMax, .live, "More addresses to try in order to join, before SeedServers"),
        .endpoints(
            "AdvertiseAddresses",
            \.advertiseAddresses,
            atMost: 8,
            .restart,
            "Addresses told to the other nodes instead of the one listened on"
        ),
        .optionalPort("ClientPort", \.clientPort, .restart, "Port for clients; empty for none, 0 lets the system choose"),
        .name(
            "ClientSocket",
            \.clientSocketText,
            bytes: 0...4_096,
            .restart,
            "Unix socket for clients: a path, `off` for none, empty for the user's runtime folder"
        ),
        .name(
            "DataDirectory",
            \.dataDirectory,
            bytes: 0...4_096,
            .restart,
            "Folder in which generation, own deltas and known addresses survive a restart; empty for none"
        ),
        .choice("LogLevel", \.logLevel, .live, "How much `gofer node` logs; applications bring their own logger"),
        .duration(
            "LeaveTimeout",
            \.leaveTimeout,
            .zero ... .seconds(600),
            .live,
            "How long a leaving node waits for its neighbours before it goes anyway"
        ),
        .choice(
            "Internal.LogOutput",
            \.logOutput,
            .restart,
            "Where and how `gofer node` logs; json is one object a line on standard output"
        ),
        .boolean("Internal.DisableStartupMessage", \.isStartupMessageOff, .restart, "Whether the line at the start is left out"),
        .boolean(
            "Internal.DisableInternalGossipSystemUpdate",
            \.areSystemFactsOff,
            .restart,
            "Whether this node tells no facts about its machine"
        ),
        .ignored("Internal.IsTestMode", "Tests use the simulator"),
        .ignored("Internal.DisableInitialiseSelf", "A node always knows itself"),
        .ignored("Internal.DisableGossip", "A node that doesn't gossip is no member"),
        .ignored("Internal.GoRoutineTracking", "There are no goroutines"),
        .ignored("Internal.DebugMode", "`LogLevel` says how much is logged"),
        .ignored("Internal.DisableUpdateServerTimeStampOnStartup", "Versions are counters, not clocks"),
        .ignored("Internal.DefaultLoggerEnabled", "The application chooses its logger"),
        .ignored("Internal.LogToBuffer", "There is no log buffer"),
        .ignored("Internal.LogBufferSize", "There is no log buffer"),
        .ignored("Internal.LogChannelSize", "There is no log buffer"),
        .ignored("Internal.CACertFilePath", "TLS is not built yet"),
        .ignored("Internal.CertFilePath", "TLS is not built yet"),
        .ignored("Internal.KeyFilePath", "TLS is not built yet"),
    ]
}
