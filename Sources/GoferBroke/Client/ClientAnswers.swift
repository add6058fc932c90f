// SPDX-License-Identifier: Apache-2.0
// What a node answers to a client, as JSON. docs/CLIENT.md describes every answer.

internal import GoferBrokeConfiguration

/// Answer to `members`.
package struct MembersAnswer: Codable, Sendable, Hashable {
    /// The cluster's name.
    package var cluster: String
    /// The name of the node that answers.
    package var selfName: String
    /// The members, by name.
    package var members: [MemberAnswer]

    /// Makes an answer; members are sorted by name.
    package init(cluster: String, selfName: String, members: [Member]) {
        self.cluster = cluster
        self.selfName = selfName
        self.members = members.map(MemberAnswer.init).sorted { $0.name < $1.name }
    }

    private enum CodingKeys: String, CodingKey {
        case cluster
        case selfName = "self"
        case members
    }
}

/// A member in `members` and `events`.
package struct MemberAnswer: Codable, Sendable, Hashable {
    /// Its name.
    package var name: String
    /// Which life of it.
    package var generation: UInt64
    /// Grows inside a generation with each refutation.
    package var incarnation: UInt64
    /// `alive`, `suspect`, `dead` or `left`.
    package var status: String
    /// `HOST:PORT`; null where none is known.
    package var address: String?
    /// How suspicious its silence is; null for self, and where it is not watched from here.
    package var phi: Double?
    /// Open links between the answering node and it; for self those to anybody.
    package var links: Int
    /// Standing accusations of it.
    package var accusers: Int
    /// Whether it has a failure detector and so can be a judge.
    package var detector: Bool
    /// Whether a single node's word decides about it.
    package var soleJudge: Bool

    /// A member as JSON.
    package init(_ member: Member) {
        self.name = member.name
        self.generation = member.generation
        self.incarnation = member.incarnation
        self.status = member.status.description
        self.address = member.address?.description
        self.phi = member.isSelf || member.links == 0 || !member.phi.isFinite ? nil : (member.phi * 1_000).rounded() / 1_000
        self.links = member.links
        self.accusers = member.accuserCount
        self.detector = member.hasDetector
        self.soleJudge = member.hasSoleJudge
    }

    private enum CodingKeys: String, CodingKey {
        case name, generation, incarnation, status, address, phi, links, accusers, detector
        case soleJudge = "sole_judge"
    }

    /// Writes every field, `null` where there is nothing.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.name, forKey: .name)
        try container.encode(self.generation, forKey: .generation)
        try container.encode(self.incarnation, forKey: .incarnation)
        try container.encode(self.status, forKey: .status)
        try container.encode(self.address, forKey: .address)
        try container.encode(self.phi, forKey: .phi)
        try container.encode(self.links, forKey: .links)
        try container.encode(self.accusers, forKey: .accusers)
        try container.encode(self.detector, forKey: .detector)
        try container.encode(self.soleJudge, forKey: .soleJudge)
    }
}

/// A delta: answer to `get` and `set`, and in `watch`.
package struct DeltaAnswer: Codable, Sendable, Hashable {
    /// Whose it is.
    package var node: String
    /// The key group.
    package var group: ClientLabel
    /// The key.
    package var key: ClientLabel
    /// The type by name.
    package var type: String
    /// The value.
    package var value: ClientValue
    /// Its place among the changes of that node; 0 while an own change waits for its version.
    package var version: UInt64
    /// The life of the node that wrote it.
    package var generation: UInt64
    /// How long it lives after its owner set it; absent if it stays.
    package var ttlMilliseconds: Int64?

    /// A delta as JSON.
    package init(_ delta: Delta) {
        self.node = delta.participant
        self.group = ClientLabel(delta.group)
        self.key = ClientLabel(delta.key)
        self.type = delta.type.description
        self.value = ClientValue(type: delta.type, bytes: delta.bytes)
        self.version = delta.version
        self.generation = delta.generation
        self.ttlMilliseconds = delta.timeToLive?.wholeMilliseconds
    }

    private enum CodingKeys: String, CodingKey {
        case node, group, key, type, value, version, generation
        case ttlMilliseconds = "ttl_ms"
    }
}

/// A key without a value: answer to `delete`, and a deleted key in `watch`.
package struct KeyAnswer: Codable, Sendable, Hashable {
    /// Whose it was.
    package var node: String
    /// The key group.
    package var group: ClientLabel
    /// The key.
    package var key: ClientLabel
    /// The life of the node; absent where it is not known.
    package var generation: UInt64?

    /// Makes an answer.
    package init(node: String, group: DeltaLabel, key: DeltaLabel, generation: UInt64? = nil) {
        self.node = node
        self.group = ClientLabel(group)
        self.key = ClientLabel(key)
        self.generation = generation
    }
}

/// Flow control: of `info`, and of the event `load`.
package struct LoadAnswer: Codable, Sendable, Hashable {
    /// Whether own changes are paced.
    package var pacing: Bool
    /// Changes per second that are admitted at most.
    package var admittedPerSecond: Double
    /// Changes per second that were offered lately.
    package var offeredPerSecond: Double
    /// Changes that wait for their version.
    package var pending: Int

    /// What a node says of its load.
    package init(_ load: GossipLoad) {
        self.pacing = load.isPacing
        self.admittedPerSecond = load.admittedRate
        self.offeredPerSecond = load.offeredRate
        self.pending = load.pendingCount
    }

    private enum CodingKeys: String, CodingKey {
        case pacing
        case admittedPerSecond = "admitted_per_s"
        case offeredPerSecond = "offered_per_s"
        case pending
    }
}

/// Answer to `info`.
package struct InfoAnswer: Codable, Sendable, Hashable {
    /// Members by status.
    package struct Members: Codable, Sendable, Hashable {
        /// Self included.
        package var alive: Int
        /// Accused, and not dead.
        package var suspect: Int
        /// Gone without a word.
        package var dead: Int
        /// Gone with one.
        package var left: Int
    }

    /// What the node knows.
    package struct Map: Codable, Sendable, Hashable {
        /// Keys of all participants.
        package var keys: UInt64
        /// Memory.
        package var bytes: UInt64
        /// Equal on nodes that know the same; sixteen hexadecimal digits.
        package var hash: String
    }

    /// Counters since the start.
    package struct Traffic: Codable, Sendable, Hashable {
        /// Bytes from peers.
        package var bytesReceived: UInt64
        /// Bytes to peers.
        package var bytesSent: UInt64
        /// Frames from peers.
        package var framesReceived: UInt64
        /// Frames to peers.
        package var framesSent: UInt64
        /// Deltas that came.
        package var deltasReceived: UInt64
        /// Deltas that were news.
        package var deltasApplied: UInt64
        /// Deltas told to peers.
        package var deltasSent: UInt64
        /// Exchanges begun.
        package var exchanges: UInt64
        /// Rounds.
        package var rounds: UInt64
        /// Connections tried.
        package var dials: UInt64
        /// Connections that failed.
        package var dialsFailed: UInt64
        /// What peers sent that the protocol does not allow.
        package var protocolErrors: UInt64
        /// Bytes that wait to be sent.
        package var queuedBytes: UInt64

        private enum CodingKeys: String, CodingKey {
            case bytesReceived = "bytes_received"
            case bytesSent = "bytes_sent"
            case framesReceived = "frames_received"
            case framesSent = "frames_sent"
            case deltasReceived = "deltas_received"
            case deltasApplied = "deltas_applied"
            case deltasSent = "deltas_sent"
            case exchanges
            case rounds
            case dials
            case dialsFailed = "dials_failed"
            case protocolErrors = "protocol_errors"
            case queuedBytes = "queued_bytes"
        }
    }

    /// The cluster's name.
    package var cluster: String
    /// The node's name.
    package var node: String
    /// Which life of the node.
    package var generation: UInt64
    /// Where others dial it.
    package var addresses: [String]
    /// When this life began, RFC 3339.
    package var started: String
    /// How long ago that was.
    package var uptimeMilliseconds: Int64
    /// The version of the library.
    package var version: String
    /// Members by status.
    package var members: Members
    /// Open links.
    package var links: Int
    /// Connected clients.
    package var clients: Int
    /// What the node knows.
    package var map: Map
    /// Flow control.
    package var load: LoadAnswer
    /// Counters.
    package var traffic: Traffic

    /// Makes an answer from the counters of a node.
    package init(
        cluster: String,
        node: String,
        generation: UInt64,
        addresses: [String],
        started: ClientTime,
        now: ClientTime = .now(),
        version: String,
        statistics: NodeStatistics
    ) {
        self.cluster = cluster
        self.node = node
        self.generation = generation
        self.addresses = addresses
        self.started = started.description
        self.uptimeMilliseconds = max(0, now.milliseconds - started.milliseconds)
        self.version = version
        self.members = Members(
            alive: statistics.membersAlive,
            suspect: statistics.membersSuspect,
            dead: statistics.membersDead,
            left: statistics.membersLeft
        )
        self.links = statistics.linksOpen
        self.clients = statistics.clients
        let digits = String(statistics.mapHash, radix: 16)
        self.map = Map(
            keys: statistics.mapKeys,
            bytes: statistics.mapBytes,
            hash: String(repeating: "0", count: 16 - digits.count) + digits
        )
        self.load = LoadAnswer(statistics.load)
        self.traffic = Traffic(
            bytesReceived: statistics.bytesReceived,
            bytesSent: statistics.bytesSent,
            framesReceived: statistics.framesReceived,
            framesSent: statistics.framesSent,
            deltasReceived: statistics.deltasReceived,
            deltasApplied: statistics.deltasApplied,
            deltasSent: statistics.deltasSent,
            exchanges: statistics.exchangesBegun,
            rounds: statistics.rounds,
            dials: statistics.dials,
            dialsFailed: statistics.dialsFailed,
            protocolErrors: statistics.protocolErrors,
            queuedBytes: statistics.queuedBytes
        )
    }

    private enum CodingKeys: String, CodingKey {
        case cluster, node, generation, addresses, started
        case uptimeMilliseconds = "uptime_ms"
        case version, members, links, clients, map, load, traffic
    }
}

/// Answer to `explain`.
package struct ExplainAnswer: Codable, Sendable, Hashable {
    /// How it stands.
    package var member: MemberAnswer
    /// Why, and what was noticed about it: a line each, for people.
    package var story: [String]

    /// Makes an answer.
    package init(member: Member, story: [String]) {
        self.member = MemberAnswer(member)
        self.story = story
    }
}

/// Answer to `config_show`.
package struct ConfigurationAnswer: Codable, Sendable, Hashable {
    /// A key and its value.
    package struct Entry: Codable, Sendable, Hashable {
        /// The key.
        package var key: String
        /// The value in force, as it would stand in a file.
        package var value: String
        /// The value without any setting.
        package var defaultValue: String
        /// Whether a change counts while the cluster runs.
        package var live: Bool
        /// Which change set it; absent for a default, 0 for a file's value.
        package var stamp: UInt64?
        /// The node that made that change; absent for a default.
        package var writer: String?

        /// Makes an entry.
        package init(key: String, value: String, defaultValue: String, live: Bool, stamp: UInt64? = nil, writer: String? = nil) {
            self.key = key
            self.value = value
            self.defaultValue = defaultValue
            self.live = live
            self.stamp = stamp
            self.writer = writer
        }

        private enum CodingKeys: String, CodingKey {
            case key, value
            case defaultValue = "default"
            case live, stamp, writer
        }
    }

    /// The cluster's name.
    package var cluster: String
    /// Every key, in the order of docs/CONFIGURATION.md.
    package var entries: [Entry]

    /// Makes an answer.
    package init(cluster: String, entries: [Entry]) {
        self.cluster = cluster
        self.entries = entries
    }
}

/// Answer to `config_set`.
package struct ConfigurationSetAnswer: Codable, Sendable, Hashable {
    /// The key.
    package var key: String
    /// The value in force now.
    package var value: String
    /// The value before.
    package var before: String

    /// Makes an answer.
    package init(key: String, value: String, before: String) {
        self.key = key
        self.value = value
        self.before = before
    }
}

/// Answer to `leave`: sent before the node goes.
package struct LeaveAnswer: Codable, Sendable, Hashable {
    /// The node that leaves.
    package var node: String
    /// Always true.
    package var leaving = true

    /// Makes an answer.
    package init(node: String) {
        self.node = node
    }
}

/// The last answer of a stream.
package struct EndAnswer: Codable, Sendable, Hashable {
    /// `cancelled` or `closed`.
    package var reason: String

    /// Makes an answer.
    package init(reason: String) {
        self.reason = reason
    }
}
