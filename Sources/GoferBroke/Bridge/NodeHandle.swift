// SPDX-License-Identifier: Apache-2.0
// Owns a node of the C core and pumps its events.
//
// Happy path: open -> activate (events flow on a private serial queue) -> any calls from any thread -> close: new calls are
// refused, those under way finish, the pump stops, gb_node_close runs on the queue, the completions are called.

internal import CGoferBroke
internal import Dispatch
internal import GoferBrokeConfiguration
internal import GoferBrokeMembership
internal import struct Synchronization.Atomic

/// What a node is opened with.
struct NodeOptions: Sendable {
    var cluster: String
    var name: String
    var listen: Endpoint
    var advertised: [Endpoint] = []
    var seeds: [Endpoint] = []
    var clientListen: Endpoint?
    var clientSocketPath: String?
    var dataDirectory: String?
    var participantCountMax: UInt32 = 0
    var linkCountMax: UInt32 = 0
    /// Events that may wait for the pump; 0: the core's default.
    var eventCountMax: UInt32 = 0
    var engine = EngineSettings()
}

/// What may change while a node runs; zero means the core's default.
package struct EngineSettings: Sendable, Hashable {
    package var gossipInterval = Duration.zero
    package var heartbeatInterval = Duration.zero
    package var probeTimeout = Duration.zero
    package var linkTimeout = Duration.zero
    package var tombstoneGrace = Duration.zero
    package var departedRetention = Duration.zero
    package var pullStall = Duration.zero
    package var reconnectInterval = Duration.zero
    package var leaveTimeout = Duration.zero
    package var exchangesPerRound: UInt32 = 0
    package var keyCountMax: UInt32 = 0
    package var valueSizeMax: UInt32 = 0
    package var linkQueueMax: UInt32 = 0
    package var isPushDisabled = false
    package var isPaperMode = false
    package var isBreadthFirst = false
    package var deltaLimit: UInt32 = 0
    package var isFlowDisabled = false
    /// Changes per second.
    package var flowRateMax: UInt32 = 0
    /// A part of tau, 0 to 1, as the next.
    package var flowDecrease = 0.0
    package var flowIncrease = 0.0
    /// Changes per second.
    package var flowStep = 0.0
    package var flowOverCount: UInt32 = 0
    package var flowUnderCount: UInt32 = 0

    package init() {}

    var c: gb_engine_settings {
        var settings = gb_engine_settings()
        settings.gossip_interval_us = self.gossipInterval.clampedMicroseconds
        settings.heartbeat_interval_us = self.heartbeatInterval.clampedMicroseconds
        settings.probe_timeout_us = self.probeTimeout.clampedMicroseconds
        settings.link_timeout_us = self.linkTimeout.clampedMicroseconds
        settings.tombstone_grace_us = self.tombstoneGrace.clampedMicroseconds
        settings.departed_retention_us = self.departedRetention.clampedMicroseconds
        settings.pull_stall_us = self.pullStall.clampedMicroseconds
        settings.reconnect_interval_us = self.reconnectInterval.clampedMicroseconds
        settings.leave_timeout_us = self.leaveTimeout.clampedMicroseconds
        settings.exchanges_per_round = self.exchangesPerRound
        settings.key_count_max = self.keyCountMax
        settings.value_size_max = self.valueSizeMax
        settings.link_queue_max = self.linkQueueMax
        settings.is_push_disabled = self.isPushDisabled
        settings.gossip_mode = UInt8(self.isPaperMode ? GB_GOSSIP_PAPER : GB_GOSSIP_PUSH)
        settings.delta_order = UInt8(self.isBreadthFirst ? GB_ORDER_BREADTH : GB_ORDER_DEPTH)
        settings.delta_limit = self.deltaLimit
        settings.is_flow_disabled = self.isFlowDisabled
        settings.flow_rate_max = self.flowRateMax
        settings.flow_decrease_ppm = UInt32(Self.millionths(of: self.flowDecrease))
        settings.flow_increase_ppm = UInt32(Self.millionths(of: self.flowIncrease))
        settings.flow_step_micro = Self.millionths(of: self.flowStep)
        settings.flow_over_count = self.flowOverCount
        settings.flow_under_count = self.flowUnderCount
        return settings
    }

    /// A number of 0 to a million; what is outside counts as the nearest of those.
    private static func millionths(of value: Double) -> UInt64 {
        UInt64((min(max(value, 0), 1_000_000) * 1_000_000).rounded())
    }
}

/// Owns a `gb_node`.
///
/// `@unchecked Sendable`: `node` is set once, and node.h allows every function from any thread at the same time except
/// `gb_node_close`. Every call goes through `withNode`, which counts it; closing sets a bit in the same atomic number, after
/// which no call begins, and `gb_node_close` runs only when that number says that none is under way and the pump, the one
/// other user, was cancelled. The rest is atomic, behind a mutex, or immutable.
final class NodeHandle: @unchecked Sendable {
    /// Events that one turn of the pump takes before the queue may do other things.
    private static let eventsPerTurn = 1_024
    private static let closing: UInt64 = 1 << 63

    let name: String
    let cluster: String
    let port: UInt16
    let clientPort: UInt16?
    private let node: OpaquePointer
    /// Held so that the loop outlives the node.
    private let loop: LoopHandle
    /// Events come on a serial queue of its own. The source holds the handle from ``activate(_:)`` until it was cancelled.
    private let source: any DispatchSourceRead
    private let uses = Atomic<UInt64>(0)
    private let state = Mutex(State())

    private struct State {
        var isFinishing = false
        var isFinished = false
        var completions: [@Sendable () -> Void] = []
    }

    init(loop: LoopHandle, options: NodeOptions) throws(GoferBrokeError) {
        let operation = "start node \(options.name)"
        let pool = CStringPool()
        let advertised = try pool.endpoints(options.advertised, of: operation)
        let seeds = try pool.endpoints(options.seeds, of: operation)
        var c = gb_node_options()
        c.size = MemoryLayout<gb_node_options>.stride
        c.cluster = try pool.copy(options.cluster, of: operation)
        c.name = try pool.copy(options.name, of: operation)
        c.listen = gb_endpoint(host: try pool.copy(options.listen.host, of: operation), port: options.listen.port)
        if let door = options.clientListen {
            c.client_listen = gb_endpoint(host: try pool.copy(door.host, of: operation), port: door.port)
        }
        if let path = options.clientSocketPath {
            c.client_socket = try pool.copy(path, of: operation)
        }
        if let directory = options.dataDirectory {
            c.data_directory = try pool.copy(directory, of: operation)
        }
        c.has_detector = true
        c.participant_count_max = options.participantCountMax
        c.link_count_max = options.linkCountMax
        c.event_count_max = options.eventCountMax
        c.settings = options.engine.c

        var info = gb_err_info()
        var node: OpaquePointer?
        let err = advertised.withUnsafeBufferPointer { advertised in
            seeds.withUnsafeBufferPointer { seeds in
                c.advertised = advertised.baseAddress
                c.advertised_count = UInt32(advertised.count)
                c.seeds = seeds.baseAddress
                c.seed_count = UInt32(seeds.count)
                return withExtendedLifetime(pool) { gb_node_open(loop.loop, &c, &node, &info) }
            }
        }
        try GoferBrokeError.check(err, info, operation)
        guard let node else { throw GoferBrokeError(GB_EBROKEN, operation: operation) }
        self.node = node
        self.loop = loop
        self.name = gb_node_name(node).text
        self.cluster = gb_node_cluster(node).text
        self.port = gb_node_port(node)
        let clientPort = gb_node_client_port(node)
        self.clientPort = clientPort == 0 ? nil : clientPort
        self.source = DispatchSource.makeReadSource(
            fileDescriptor: gb_node_event_fd(node),
            queue: DispatchQueue(label: "goferbroke.events")
        )
    }

    // MARK: The pump

    /// Begins to hand events to the sink, which is held weakly. Called once, before anything else.
    func activate(_ sink: any NodeEventSink) {
        self.source.setEventHandler { [weak sink] in
            // The source holds the handle through this closure until it is cancelled, so the node is open here.
            guard let sink else { return }
            self.pump(into: sink)
        }
        self.source.setCancelHandler {
            self.finish()
        }
        self.source.activate()
    }

    private func pump(into sink: any NodeEventSink) {
        for _ in 0..<Self.eventsPerTurn {
            var event: UnsafePointer<gb_event>?
            guard gb_node_event_next(self.node, &event) == GB_OK, let event else { return }
            let copy = NodeEvent(event.pointee, watcher: sink)
            gb_event_release(self.node, event)
            if let copy {
                sink.handle(copy)
            }
        }
        // More wait: the descriptor is still readable, and the source fires again.
    }

    // MARK: Closing

    /// Stops the node at once, without a leave. `completion` is called when nothing is left of it, on a queue of the bridge.
    /// May be called any number of times, from anywhere.
    func close(_ completion: (@Sendable () -> Void)? = nil) {
        let isFinished = self.state.withLock { state in
            if !state.isFinished, let completion {
                state.completions.append(completion)
            }
            return state.isFinished
        }
        if isFinished {
            completion?()
            return
        }
        let before = self.uses.bitwiseOr(Self.closing, ordering: .acquiringAndReleasing).oldValue
        if before & ~Self.closing == 0 {
            self.beginFinish()
        }
    }

    private func enter() -> Bool {
        let after = self.uses.add(1, ordering: .acquiringAndReleasing).newValue
        guard after & Self.closing != 0 else { return true }
        self.exit()
        return false
    }

    private func exit() {
        let after = self.uses.subtract(1, ordering: .acquiringAndReleasing).newValue
        if after == Self.closing {
            self.beginFinish()
        }
    }

    /// No call is under way and none can begin: stops the pump. A refused call may bring us here again.
    private func beginFinish() {
        let isFirst = self.state.withLock { state in
            defer { state.isFinishing = true }
            return !state.isFinishing
        }
        if isFirst {
            self.source.cancel()
        }
    }

    /// The pump has stopped: nobody uses the node any more.
    private func finish() {
        _ = gb_node_close(self.node)
        let completions = self.state.withLock { state in
            state.isFinished = true
            defer { state.completions = [] }
            return state.completions
        }
        for completion in completions {
            completion()
        }
    }

    /// Runs `body` with the node, which stays open meanwhile; throws where it was closed.
    private func withNode<Result>(
        _ operation: @autoclosure () -> String,
        _ body: (OpaquePointer) throws(GoferBrokeError) -> Result
    ) throws(GoferBrokeError) -> Result {
        guard self.enter() else { throw .closed(operation()) }
        defer { self.exit() }
        return try body(self.node)
    }

    // MARK: Commands

    var generation: UInt64 {
        (try? self.withNode("read the generation") { gb_node_generation($0) }) ?? 0
    }

    func join() throws(GoferBrokeError) {
        try self.withNode("join") { node throws(GoferBrokeError) in
            try GoferBrokeError.check(gb_node_join(node), "join")
        }
    }

    func leave() throws(GoferBrokeError) {
        try self.withNode("leave") { node throws(GoferBrokeError) in
            try GoferBrokeError.check(gb_node_leave(node), "leave")
        }
    }

    func configure(_ settings: EngineSettings) throws(GoferBrokeError) {
        try self.withNode("configure") { node throws(GoferBrokeError) in
            var c = settings.c
            try GoferBrokeError.check(gb_node_configure(node, &c), "configure")
        }
    }

    func setSeeds(_ seeds: [Endpoint]) throws(GoferBrokeError) {
        let pool = CStringPool()
        let list = try pool.endpoints(seeds, of: "set the seeds")
        try self.withNode("set the seeds") { node throws(GoferBrokeError) in
            let err = list.withUnsafeBufferPointer { list in
                withExtendedLifetime(pool) { gb_node_set_seeds(node, list.baseAddress, UInt32(list.count)) }
            }
            try GoferBrokeError.check(err, "set the seeds")
        }
    }

    /// Carries out what the detector decided. An action that can't be posted belongs to a node that is closing.
    func act(_ actions: [DetectorAction]) throws(GoferBrokeError) {
        guard !actions.isEmpty else { return }
        try self.withNode("act") { node throws(GoferBrokeError) in
            for action in actions {
                let parts = action.parts
                try withSlice(parts.target.slice) { target throws(GoferBrokeError) in
                    try withSlice(parts.helper.slice) { helper throws(GoferBrokeError) in
                        var c = parts.action
                        (c.name, c.helper) = (target, helper)
                        try GoferBrokeError.check(gb_node_act(node, &c), "act")
                    }
                }
            }
        }
    }

    // MARK: Own deltas

    func set(
        lane: DeltaLane,
        group: DeltaLabel,
        key: DeltaLabel,
        type: DeltaValueType,
        bytes: [UInt8],
        timeToLive: UInt64
    ) throws(GoferBrokeError) {
        let operation = { "set \(group):\(key) of \(bytes.count) bytes" }
        try self.withNode(operation()) { node throws(GoferBrokeError) in
            try withSlice(group.bytes) { group throws(GoferBrokeError) in
                try withSlice(key.bytes) { key throws(GoferBrokeError) in
                    try withSlice(bytes) { value throws(GoferBrokeError) in
                        let err = gb_node_set(node, lane.rawValue, group, key, type.rawValue, value, timeToLive)
                        try GoferBrokeError.check(err, operation())
                    }
                }
            }
        }
    }

    func delete(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel) throws(GoferBrokeError) {
        let operation = { "delete \(group):\(key)" }
        try self.withNode(operation()) { node throws(GoferBrokeError) in
            try withSlice(group.bytes) { group throws(GoferBrokeError) in
                try withSlice(key.bytes) { key throws(GoferBrokeError) in
                    try GoferBrokeError.check(gb_node_delete(node, lane.rawValue, group, key), operation())
                }
            }
        }
    }

    // MARK: Reading

    /// Nil where the participant or the key is not known, or the node was closed.
    func delta(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel, from participant: String) -> Delta? {
        let result = try? self.withNode("read") { node throws(GoferBrokeError) -> Delta? in
            try withSlice(participant.slice) { name throws(GoferBrokeError) in
                try withSlice(group.bytes) { group throws(GoferBrokeError) in
                    try withSlice(key.bytes) { key throws(GoferBrokeError) -> Delta? in
                        var record: OpaquePointer?
                        var generation: UInt64 = 0
                        guard gb_node_get(node, name, lane.rawValue, group, key, &record, &generation) == GB_OK, let record else {
                            return nil
                        }
                        defer { gb_node_record_release(node, record) }
                        var view = gb_delta()
                        gb_record_view(record, &view)
                        return Delta(view, participant: participant, generation: generation, lane: lane)
                    }
                }
            }
        }
        return result ?? nil
    }

    /// Type and bytes of a value alone: what typed reads need. Nil as for ``delta(lane:group:key:from:)``.
    func value(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel, from participant: [UInt8]) -> (type: UInt8, bytes: [UInt8])? {
        let result = try? self.withNode("read") { node throws(GoferBrokeError) -> (type: UInt8, bytes: [UInt8])? in
            try withSlice(participant) { name throws(GoferBrokeError) in
                try withSlice(group.bytes) { group throws(GoferBrokeError) in
                    try withSlice(key.bytes) { key throws(GoferBrokeError) -> (type: UInt8, bytes: [UInt8])? in
                        var record: OpaquePointer?
                        guard gb_node_get(node, name, lane.rawValue, group, key, &record, nil) == GB_OK, let record else { return nil }
                        defer { gb_node_record_release(node, record) }
                        var view = gb_delta()
                        gb_record_view(record, &view)
                        return (view.type, view.value.bytes)
                    }
                }
            }
        }
        return result ?? nil
    }

    /// Live deltas of a participant's lane, in no particular order; nil where the participant is not known.
    func deltas(of participant: String, lane: DeltaLane, group: DeltaLabel? = nil) -> [Delta]? {
        let result = try? self.withNode("list") { node throws(GoferBrokeError) -> [Delta]? in
            try withSlice(participant.slice) { name throws(GoferBrokeError) -> [Delta]? in
                var listing = Listing(participant: participant, lane: lane, group: group?.bytes)
                var generation: UInt64 = 0
                let err = withUnsafeMutablePointer(to: &listing) { listing in
                    gb_node_list(node, name, lane.rawValue, { Listing.visit($0, $1) }, listing, &generation)
                }
                guard err == GB_OK else { return nil }
                return listing.deltas.map { delta in
                    var delta = delta
                    delta.generation = generation
                    return delta
                }
            }
        }
        return result ?? nil
    }

    /// The accusations that stand in a participant's membership lane.
    func accusations(by participant: String) -> [Accusation] {
        (self.deltas(of: participant, lane: .membership, group: "accuse") ?? []).compactMap(Accusation.init)
    }

    private struct Listing {
        let participant: String
        let lane: DeltaLane
        let group: [UInt8]?
        var deltas: [Delta] = []

        /// Called by C for each record, lent for the call.
        static func visit(_ user: UnsafeMutableRawPointer?, _ record: OpaquePointer?) -> Bool {
            guard let listing = user?.assumingMemoryBound(to: Listing.self), let record else { return false }
            var view = gb_delta()
            gb_record_view(record, &view)
            if let group = listing.pointee.group {
                guard UnsafeBufferPointer(start: view.group.base, count: view.group.len).elementsEqual(group) else { return true }
            }
            guard view.type != GB_VALUE_TOMBSTONE else { return true }
            let delta = Delta(view, participant: listing.pointee.participant, generation: 0, lane: listing.pointee.lane)
            listing.pointee.deltas.append(delta)
            return true
        }
    }

    /// A consistent picture of the members; empty where the node was closed.
    func members() -> [Member] {
        let result = try? self.withNode("read the members") { node throws(GoferBrokeError) -> [Member] in
            var members: [Member] = []
            withUnsafeMutablePointer(to: &members) { members in
                gb_node_members(
                    node,
                    { user, member in
                        guard let members = user?.assumingMemoryBound(to: [Member].self), let member else { return false }
                        members.pointee.append(Member(member.pointee))
                        return true
                    },
                    members
                )
            }
            return members
        }
        return result ?? []
    }

    func statistics() -> NodeStatistics {
        let result = try? self.withNode("read the statistics") { node throws(GoferBrokeError) -> NodeStatistics in
            var stats = gb_engine_stats()
            gb_node_read_stats(node, &stats)
            return NodeStatistics(stats)
        }
        return result ?? NodeStatistics()
    }

    // MARK: Clients

    func sendToClient(link: UInt64, requestID: UInt32, payload: [UInt8], isLast: Bool) throws(GoferBrokeError) {
        let type = UInt8(truncatingIfNeeded: isLast ? Int(GB_FRAME_CLIENT_RESPONSE) : Int(GB_FRAME_CLIENT_ITEM))
        try self.withNode("answer a client") { node throws(GoferBrokeError) in
            try withSlice(payload) { payload throws(GoferBrokeError) in
                try GoferBrokeError.check(gb_node_client_send(node, link, type, requestID, payload), "answer a client")
            }
        }
    }
}

extension NodeStatistics {
    init(_ stats: gb_engine_stats) {
        self.rounds = stats.rounds
        self.exchangesBegun = stats.exchanges_begun
        self.exchangesAnswered = stats.exchanges_answered
        self.framesReceived = stats.frames_received
        self.framesSent = stats.frames_sent
        self.bytesReceived = stats.bytes_received
        self.bytesSent = stats.bytes_sent
        self.deltasReceived = stats.deltas_received
        self.deltasApplied = stats.deltas_applied
        self.deltasSent = stats.deltas_sent
        self.deltasDuplicate = stats.deltas_duplicate
        self.gaps = stats.gaps
        self.prunesSent = stats.prunes_sent
        self.graftsSent = stats.grafts_sent
        self.resetsReceived = stats.resets_received
        self.bulkBytesReceived = stats.bulk_bytes_received
        self.dials = stats.dials
        self.dialsFailed = stats.dials_failed
        self.probes = stats.probes
        self.protocolErrors = stats.protocol_errors
        self.rejectsSent = stats.rejects_sent
        self.linksOpen = Int(stats.links_open)
        self.linksAll = Int(stats.links_all)
        self.clients = Int(stats.clients)
        self.membersAlive = Int(stats.members_alive)
        self.membersSuspect = Int(stats.members_suspect)
        self.membersDead = Int(stats.members_dead)
        self.membersLeft = Int(stats.members_left)
        self.queuedBytes = stats.queued_bytes
        self.mapHash = stats.map_hash
        self.mapBytes = stats.map_bytes
        self.mapKeys = stats.map_keys
        self.load = GossipLoad(
            isPacing: stats.is_pacing,
            tau: stats.tau_micro,
            rho: stats.rho_micro,
            pendingCount: Int(stats.pending_count)
        )
        self.pacingWaits = stats.pacing_waits
    }
}
