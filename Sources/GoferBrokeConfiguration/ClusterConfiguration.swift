// SPDX-License-Identifier: Apache-2.0
// What all nodes of a cluster share.

/// Over which networks the nodes of a cluster see each other.
public enum ClusterNetworkType: String, Sendable, Hashable, CaseIterable {
    /// Not stated; counts as `local` for a cluster, and as the cluster's for a node.
    case undefined = "UNDEFINED"
    /// One machine: loopback addresses.
    case local = "LOCAL"
    /// Private addresses that reach each other.
    case `private` = "PRIVATE"
    /// Public addresses.
    case `public` = "PUBLIC"
    /// Any mixture, nodes behind NAT among them.
    case dynamic = "DYNAMIC"
}

/// How deltas of applications and machines spread.
public enum GossipMode: String, Sendable, Hashable, CaseIterable {
    /// Pushed at once along a tree per origin; exchanges repair what pushes miss.
    case push = "PUSH"
    /// By rounds alone, as in van Renesse et al., "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols" (2008): one
    /// exchange with a member at random, and a limit of deltas per message.
    case paper = "PAPER"
}

/// What a message holds where not everything fits, with ``GossipMode/paper``.
public enum DeltaOrder: String, Sendable, Hashable, CaseIterable {
    /// Of the participant with the most to tell first, then of the next.
    case depth = "DEPTH"
    /// The oldest delta of each participant, then the second of each.
    case breadth = "BREADTH"
}

/// The cluster document: what all nodes share.
///
/// Every property has a default that suits a cluster of a few to a few thousand nodes. docs/CONFIGURATION.md has the ranges.
/// Values read from text are checked; values set from code are checked by ``KeyedConfiguration/validate()``.
public struct ClusterConfiguration: KeyedConfiguration {
    /// The cluster's name. Nodes of different clusters refuse each other.
    public var name = "default"
    /// Addresses that a node tries in order to join.
    public var seedServers: [Endpoint] = []
    /// Over which networks the nodes see each other.
    public var networkType = ClusterNetworkType.local
    /// How often a node starts a round.
    public var gossipInterval = Duration.seconds(1)
    /// How many exchanges a node starts at most in a round.
    public var nodeSelectionPerGossipRound = 1
    /// After this long without an answer what was asked of one node is asked of another.
    public var gossipRoundTimeout = Duration.seconds(1)
    /// Whether changes are pushed at once instead of waiting for a round.
    public var isEagerPushOn = true
    /// How deltas spread.
    public var gossipMode = GossipMode.push
    /// The most deltas of a message, with ``GossipMode/paper``.
    public var deltaLimit = 100
    /// What a message holds where not everything fits, with ``GossipMode/paper``.
    public var deltaOrder = DeltaOrder.depth
    /// Whether nodes admit their own changes more slowly while links are overloaded.
    public var isFlowControlOn = true
    /// Changes per second: a node that may admit so many is not paced. With ``GossipMode/paper`` the ceiling is `deltaLimit` per round.
    public var flowRateMax = 1_000_000
    /// What overload leaves of the admitted rate.
    public var flowDecrease = 0.75
    /// By which part of itself the admitted rate grows in a calm round.
    public var flowIncrease = 0.25
    /// Changes per second by which the admitted rate grows, with ``GossipMode/paper``.
    public var flowStep = 0.2
    /// So many messages in a row that had more to tell than `deltaLimit` are an overload, with ``GossipMode/paper``.
    public var flowOverCount = 5
    /// After so many in a row that had less to tell the admitted rate grows, with ``GossipMode/paper``.
    public var flowUnderCount = 10
    /// How often heartbeats cross a link.
    public var heartbeatInterval = Duration.seconds(2)
    /// The suspicion level at which a silent node is checked.
    public var phiThreshold = 8.0
    /// How many heartbeat intervals the phi detector remembers per link.
    public var phiWindowSize = 100
    /// The least standard deviation that phi is computed with.
    public var phiMinimumDeviation = Duration.milliseconds(50)
    /// How much later than usual a heartbeat may be before phi grows.
    public var phiAcceptablePause = Duration.seconds(1)
    /// How many other nodes are asked to probe a node before it is accused.
    public var probeHelpers = 3
    /// After this long without an answer a probe has failed.
    public var probeTimeout = Duration.milliseconds(300)
    /// The shortest time in which a suspect can refute, however many accuse it.
    public var suspicionTime = Duration.seconds(2)
    /// The longest time in which a suspect can refute, when only one node accuses it. Less than `suspicionTime` counts as that.
    public var nodeFaultyAfter = Duration.seconds(10)
    /// How long a deleted key is remembered so that it can't come back.
    public var tombstoneGrace = Duration.seconds(3_600)
    /// How long a dead or departed member stays in the map.
    public var deadMemberRetention = Duration.seconds(86_400)
    /// How often a dead member is dialled, in case it lives again.
    public var reconnectInterval = Duration.seconds(10)
    /// Whether nodes tell facts about their machine.
    public var areSystemFactsOn = true
    /// Whether those facts include load, which changes often.
    public var isSystemLoadOn = false
    /// The least time between two updates of those facts.
    public var systemFactsInterval = Duration.seconds(60)
    /// The most participants in the map.
    public var maxNumberOfNodes = 16_384
    /// The most keys that one participant may have.
    public var maxKeysPerParticipant = 1_000_000
    /// The longest key in bytes.
    public var maxKeySize = 1_024
    /// The longest key group in bytes.
    public var maxKeyGroupSize = 255
    /// The largest value in bytes.
    public var maxValueSize = 4 << 20
    /// The most bytes that wait on one link.
    public var maxLinkQueueSize = 4 << 20
    /// The most connections that a node has open.
    public var maxConnections = 1_024
    /// Whether nodes must show certificates to each other.
    public var isNodeMTLSRequired = false
    /// Whether clients must show certificates.
    public var isClientMTLSRequired = false

    /// Creates a configuration with every default.
    public init() {}

    /// Creates a configuration with every default but the name and the seeds.
    public init(name: String, seedServers: [Endpoint] = []) {
        self.name = name
        self.seedServers = seedServers
    }

    /// The network type in force: a cluster that states none is local.
    public var effectiveNetworkType: ClusterNetworkType { networkType == .undefined ? .local : networkType }

    /// The seeds in force: a local cluster that states none has `localhost:8081`.
    public var effectiveSeedServers: [Endpoint] {
        guard seedServers.isEmpty, effectiveNetworkType == .local else { return seedServers }
        return [Endpoint(host: "localhost", port: 8_081)]
    }

    /// This is the cluster document.
    public static let document = ConfigurationDocumentKind.cluster

    /// Every key of the document with the property it fills.
    public static let settings: [Setting<ClusterConfiguration>] =
        identity + dissemination + flow + detection + memory + limits + security + withoutMeaning

    private static let identity: [Setting<ClusterConfiguration>] = [
        .name("Name", \.name, .restart, "Name of the cluster; nodes of different clusters refuse each other"),
        .endpoints(
            "SeedServers",
            \.seedServers,
            atMost: NodeConfiguration.seedCountMax,
            .live,
            "Addresses that a node tries in order to join; a node skips its own"
        ),
        .choice(
            "Cluster.ClusterNetworkType",
            \.networkType,
            .restart,
            "Networks over which the nodes see each other; UNDEFINED counts as LOCAL"
        ),
    ]

    private static let dissemination: [Setting<ClusterConfiguration>] = [
        .duration(
            "Cluster.GossipInterval",
            \.gossipInterval,
            .milliseconds(10)...(.seconds(3_600)),
            .live,
            "Time between two rounds of a node"
        ),
        .integer(
            "Cluster.NodeSelectionPerGossipRound",
            \.nodeSelectionPerGossipRound,
            1...255,
            .live,
            "Most exchanges that a node starts in a round"
        ),
        .duration(
            "Cluster.GossipRoundTimeout",
            \.gossipRoundTimeout,
            .milliseconds(10)...(.seconds(600)),
            bareMilliseconds: true,
            .live,
            "After this long without an answer what was asked of one node is asked of another"
        ),
        .boolean("Cluster.EagerPush", \.isEagerPushOn, .live, "Push changes at once; when false they travel by exchanges alone"),
    ]

    private static let flow: [Setting<ClusterConfiguration>] = [
        .choice(
            "Cluster.GossipMode",
            \.gossipMode,
            .live,
            "How deltas spread: pushed at once, or as in van Renesse et al. (2008) by rounds with members at random"
        ),
        .integer("Cluster.DeltaLimit", \.deltaLimit, 1...1_000_000, .live, "Most deltas of a message, with GossipMode PAPER"),
        .choice("Cluster.DeltaOrder", \.deltaOrder, .live, "What a message holds where not everything fits, with GossipMode PAPER"),
        .boolean("Cluster.FlowControl", \.isFlowControlOn, .live, "Admit own changes more slowly while links are overloaded"),
        .integer(
            "Cluster.FlowRateMax",
            \.flowRateMax,
            1...10_000_000,
            .live,
            "Changes per second: a node that may admit so many is not paced; with GossipMode PAPER the ceiling is DeltaLimit per round"
        ),
        .float("Cluster.FlowDecrease", \.flowDecrease, 0.01...0.99, .live, "What overload leaves of the admitted rate"),
        .float("Cluster.FlowIncrease", \.flowIncrease, 0.001...1, .live, "By which part of itself the admitted rate grows in a calm round"),
        .float(
            "Cluster.FlowStep",
            \.flowStep,
            0.001...1_000_000,
            .live,
            "Changes per second by which the admitted rate grows, with GossipMode PAPER"
        ),
        .integer(
            "Cluster.FlowOverCount",
            \.flowOverCount,
            1...1_000_000,
            .live,
            "So many messages in a row that had more to tell than DeltaLimit are an overload, with GossipMode PAPER"
        ),
        .integer(
            "Cluster.FlowUnderCount",
            \.flowUnderCount,
            1...1_000_000,
            .live,
            "After so many in a row that had less to tell the admitted rate grows, with GossipMode PAPER"
        ),
    ]

    private static let detection: [Setting<ClusterConfiguration>] = [
        .duration(
            "Cluster.HeartbeatInterval",
            \.heartbeatInterval,
            .milliseconds(10)...(.seconds(3_600)),
            .live,
            "Time between two heartbeats on a link"
        ),
        .float("Cluster.PhiThreshold", \.phiThreshold, 1...100, .live, "Suspicion level at which a silent node is checked"),
        .integer("Cluster.PaWindowSize", \.phiWindowSize, 2...10_000, .live, "Heartbeat intervals that the detector remembers per link"),
        .duration(
            "Cluster.PhiMinimumDeviation",
            \.phiMinimumDeviation,
            .milliseconds(1)...(.seconds(60)),
            .live,
            "Least standard deviation that phi is computed with"
        ),
        .duration(
            "Cluster.PhiAcceptablePause",
            \.phiAcceptablePause,
            .zero ... .seconds(600),
            .live,
            "How much later than usual a heartbeat may be before phi grows"
        ),
        .integer(
            "Cluster.FailureKNodesToProbe",
            \.probeHelpers,
            0...255,
            .live,
            "Other nodes that are asked to probe a node before it is accused"
        ),
        probeTimeout(
            "Cluster.FailureProbeTimeout",
            aliasOf: nil,
            "After this long without an answer a probe has failed; longer for nodes whose last answer took more than half of it"
        ),
        probeTimeout("Cluster.ProbeTimeout", aliasOf: "Cluster.FailureProbeTimeout", "Another name of `Cluster.FailureProbeTimeout`"),
        .duration(
            "Cluster.SuspicionTime",
            \.suspicionTime,
            .milliseconds(10)...(.seconds(3_600)),
            .live,
            "Shortest time in which a suspect can refute, however many accuse it"
        ),
        .duration(
            "Cluster.NodeFaultyAfter",
            \.nodeFaultyAfter,
            .milliseconds(10)...(.seconds(3_600)),
            bareMilliseconds: true,
            .live,
            "Longest time in which a suspect can refute, with one accuser; less than SuspicionTime counts as that"
        ),
    ]

    private static func probeTimeout(_ path: String, aliasOf: String?, _ meaning: String) -> Setting<ClusterConfiguration> {
        .duration(path, \.probeTimeout, .milliseconds(10)...(.seconds(60)), bareMilliseconds: true, .live, aliasOf: aliasOf, meaning)
    }

    private static let memory: [Setting<ClusterConfiguration>] = [
        .duration(
            "Cluster.TombstoneGrace",
            \.tombstoneGrace,
            .seconds(1)...(.seconds(30 * 86_400)),
            .live,
            "How long a deleted key is remembered so that it can't come back"
        ),
        .duration(
            "Cluster.DeadMemberRetention",
            \.deadMemberRetention,
            .seconds(1)...(.seconds(365 * 86_400)),
            .live,
            "How long a dead or departed member stays in the map"
        ),
        .duration(
            "Cluster.ReconnectInterval",
            \.reconnectInterval,
            .milliseconds(100)...(.seconds(3_600)),
            .live,
            "Time between two dials of a dead member"
        ),
        .boolean("Cluster.SystemFacts", \.areSystemFactsOn, .live, "Whether nodes tell facts about their machine"),
        .boolean("Cluster.SystemLoad", \.isSystemLoadOn, .live, "Whether those facts include load, which changes often"),
        .duration(
            "Cluster.SystemFactsInterval",
            \.systemFactsInterval,
            .seconds(1)...(.seconds(86_400)),
            .live,
            "Least time between two updates of those facts; large clusters take longer by themselves"
        ),
    ]

    private static let limits: [Setting<ClusterConfiguration>] = [
        .integer("Cluster.MaxNumberOfNodes", \.maxNumberOfNodes, 1...16_384, .restart, "Most participants in the map"),
        // Entries of the configuration and facts of the machine are keys too and must always have room.
        .integer(
            "Cluster.MaxKeysPerParticipant",
            \.maxKeysPerParticipant,
            128...1_000_000,
            .restart,
            "Most keys that one participant may have"
        ),
        .size("Cluster.MaxKeySize", \.maxKeySize, 1...1_024, .restart, "Longest key in bytes"),
        .size("Cluster.MaxKeyGroupSize", \.maxKeyGroupSize, 1...255, .restart, "Longest key group in bytes"),
        // So are they values, which must always fit.
        .size("Cluster.MaxValueSize", \.maxValueSize, (1 << 10)...(4 << 20), .restart, "Largest value in bytes"),
        .size("Cluster.MaxLinkQueueSize", \.maxLinkQueueSize, (64 << 10)...(4 << 20), .restart, "Most bytes that wait on one link"),
        .integer("Cluster.MaxConnections", \.maxConnections, 1...1_024, .restart, "Most connections that a node has open"),
    ]

    private static let security: [Setting<ClusterConfiguration>] = [
        .boolean(
            "Cluster.NodeMTLSRequired",
            \.isNodeMTLSRequired,
            fixedOff: "TLS is not built yet",
            .restart,
            "Whether nodes must show certificates; true is refused as long as TLS is not built"
        ),
        .boolean(
            "Cluster.ClientMTLSRequired",
            \.isClientMTLSRequired,
            fixedOff: "TLS is not built yet",
            .restart,
            "Whether clients must show certificates; true is refused as long as TLS is not built"
        ),
    ]

    private static let withoutMeaning: [Setting<ClusterConfiguration>] = [
        .ignored("Cluster.DiscoveryPercentage", "Every node knows every member; there is no discovery phase"),
        .ignored("Cluster.MaxDeltaGossipedPerParticipant", "Exchanges are bounded in bytes, not in deltas"),
        .ignored("Cluster.MaxGossipSize", "Frames have their own bounds"),
        .ignored("Cluster.MaxDeltaSize", "`Cluster.MaxValueSize` bounds what is stored"),
        .ignored("Cluster.MaxDiscoverySize", "There is no discovery phase"),
        .ignored("Cluster.MaxGossSynAck", "Frames have their own bounds"),
        .ignored("Cluster.MaxSequenceIDPool", "Request ids are not pooled"),
        .ignored("Cluster.EndpointsURLMap", "Nodes have no HTTP endpoints"),
    ]
}
