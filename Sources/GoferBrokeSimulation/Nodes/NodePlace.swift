// SPDX-License-Identifier: Apache-2.0
// Where the lives of one node run: a host with a process on it, or none.

internal import DequeModule
internal import GoferBroke
internal import GoferBrokeConfiguration
internal import GoferBrokeMembership

/// What reaches a process; it waits where the process is frozen or busy.
enum NodeInput {
    case accepted(connection: Int32, use: UInt32)
    case connected(connection: Int32, use: UInt32)
    case bytes(link: UInt64, payload: Int32, connection: Int32, use: UInt32, side: UInt8)
    case departed(link: UInt64, size: Int)
    case closed(link: UInt64, LinkEnd)
}

/// One node over all its lives. A class, since engine, detector and connections all refer to it.
final class NodePlace {
    static let port: UInt16 = 7_000

    struct LinkPlace {
        var connection: Int32
        /// The connection may be over, and its place used again, before the process has read that.
        var use: UInt32
        var side: UInt8
    }

    let slot: Int32
    let name: String
    /// The address at present; a node may move.
    var host: String
    var moves = 0

    // The present life; nil where no process runs.
    var engine: EngineHandle?
    var detector: any FailureDetector
    var configuration: ClusterState
    var life: UInt32 = 0
    var generation: UInt64 = 0
    var links: [UInt64: LinkPlace] = [:]
    var startedAt: UInt64 = 0
    /// By its own clock.
    var nextHousekeeping: UInt64 = 0
    var isJoined = false
    var isLeaving = false
    /// The engine ended this life: why.
    var stopReason: String?
    var seeds: [Int32] = []

    // What survives a life.
    var keptGeneration: UInt64 = 0
    var keptDeltas: [Delta] = []

    // How its host is.
    var isFrozen = false
    var thawAt: UInt64 = 0
    /// When it was last frozen, down or not running.
    var lastUnwellAt: UInt64 = 0
    /// What its clock is ahead of the simulation's: monotonic, and the time of day that generations come from.
    var clockAhead: UInt64 = 0
    var timeOfDayAhead: Int64 = 0
    /// Nobody can dial it.
    var isBehindNAT = false
    var turnCost: UInt64 = 0
    var busyUntil: UInt64 = 0
    var uplinkFreeAt: UInt64 = 0
    var inbox = Deque<NodeInput>()
    var isWorkDue = false

    /// When the engine is ticked next; `UInt64.max`: no event is under way for it.
    var timerAt = UInt64.max
    /// The map's change counter at the last check.
    var checkedNumber: UInt64 = 0
    /// What it was seen to know, by owner.
    var seen: [String: SeenKnowledge] = [:]
    /// Lives that its process has forgotten, and when by its own clock.
    var forgotten: [String: Grave] = [:]
    var dirtyLinks: [(link: UInt64, size: Int)] = []
    var notices: [NodeEvent] = []
    /// Key groups whose user deltas somebody wants to hear of.
    var watchedGroups: Set<DeltaLabel> = []

    init(slot: Int32, name: String, detector: any FailureDetector, configuration: ClusterState) {
        self.slot = slot
        self.name = name
        self.host = name
        self.detector = detector
        self.configuration = configuration
    }

    var isRunning: Bool {
        self.engine != nil
    }

    var endpoint: Endpoint {
        Endpoint(host: self.host, port: Self.port)
    }

    func clock(_ now: UInt64) -> UInt64 {
        now + self.clockAhead
    }

    /// The detector is told, in the order of events; actions come back.
    func judge(_ input: DetectorInput, time: UInt64) -> [DetectorAction] {
        self.detector.handle(input, now: DetectorTime(microseconds: time))
    }
}
