// SPDX-License-Identifier: Apache-2.0
// A node: its life from listening to the end.
//
// Happy path: init listens -> start joins -> events flow (GossipNode+Events.swift) -> leave says good-bye -> the core says that
// it is done -> the handle closes -> sequences end.
// Otherwise: shutdown stops at once; a refusal or a later life of the same name ends the node with an error.
//
// Locks: each `Mutex` here guards one value and is held for its own work alone. Nothing is called out to under a lock: not the
// application, not the logger, metrics or a tracer. Of two locks one is taken inside another only so: `applying`, then
// `state`, `clusterState`, `inForce` or the detector's. So every function may be called from anywhere, event loops and handlers included.

public import Logging
public import ServiceLifecycle
internal import GoferBrokeConfiguration
internal import GoferBrokeMembership

/// A member of a cluster.
///
///     let node = try GossipNode(configuration: .init(cluster: "shop", name: "web-1", seeds: seeds), logger: logger)
///     try await node.run()
///
/// A node listens from its making on. It joins in ``run()``, which lasts until it has stopped and fits into a `ServiceGroup`, or
/// in ``start()`` for those who don't use one; they end it with ``leave()`` or ``shutdown()``.
///
/// All functions may be called from any task or thread at any time, also inside the loops over ``events`` and ``changes(of:)``
/// and inside handlers. Reading never waits for the network.
public final class GossipNode: Service {
    /// How a node came to its end.
    enum End: Sendable {
        case left
        case shutDown
        case failed(GoferBrokeError)
    }

    struct State {
        var leaveTimeout: Duration
        var isStarted = false
        var isLeaving = false
        var isJoined = false
        var isFoundingCluster = false
        var end: End?
        var tasks: [Task<Void, Never>] = []
        var seeds: [Endpoint]
        /// Seeds whose failure was logged, with the code: it is said once, not each second.
        var seedsComplainedAbout: [Endpoint: GoferBrokeError.Code] = [:]
        var joinSpan: JoinSpan?
        /// By the core's clock.
        var nextHousekeeping: UInt64 = 0
        /// As it was told last.
        var localHealth = 0
        var facts = SystemFacts()

        /// Whether a node begins a cluster itself now that a seed has failed; true once.
        mutating func beginsCluster(isSeed: Bool) -> Bool {
            guard isSeed, !self.isJoined, !self.isFoundingCluster else { return false }
            self.isFoundingCluster = true
            return true
        }
    }

    /// The node's name.
    public let name: String
    /// The cluster's name.
    public let cluster: String
    /// The port that other nodes dial.
    public let port: UInt16
    /// The port for clients; nil if there is none.
    public let clientPort: UInt16?
    /// Where clients on this machine find the node; nil if there is no such socket.
    public let clientSocketPath: String?
    /// What only this node uses, as it was given.
    public let nodeConfiguration: NodeConfiguration

    let logger: Logger
    let handle: NodeHandle
    let hub = Hub()
    let detector: DetectorBox
    let metrics: NodeMetrics
    let clientDoor: ClientDoor
    let nameBytes: [UInt8]
    /// The cluster configuration that core and detector have: what `clusterState` holds, once it was handed on.
    let inForce: Mutex<SettingsInForce>
    let seedProvider: (any SeedProvider)?
    let state: Mutex<State>
    let clusterState: Mutex<ClusterState>
    /// Held while settings are handed on, so that the last ones read are the last ones applied.
    let applying = Mutex(())
    let ended = Mailbox(Once<End>())
    let joined = Mailbox(Once<Result<Void, GoferBrokeError>>())
    let settled = Mailbox(Once<Void>())

    /// Makes a node, which listens at once and talks to nobody yet.
    ///
    /// - Throws: ``GoferBrokeError``: a configuration value that is wrong, an address in use or unknown, a data directory that
    ///   can't be used. Nothing is left behind then.
    public init(configuration: Configuration, logger: Logger) throws(GoferBrokeError) {
        let options = try configuration.options()
        let loop: LoopHandle
        if let own = configuration.loop {
            loop = own.handle
        } else {
            loop = try LoopHandle.shared()
        }
        let handle = try NodeHandle(loop: loop, options: options)
        // Nothing below throws: an open node is always activated and closed.
        self.handle = handle
        self.name = handle.name
        self.cluster = handle.cluster
        self.port = handle.port
        self.clientPort = handle.clientPort
        self.clientSocketPath = options.clientSocketPath
        self.nodeConfiguration = configuration.node
        var logger = logger
        logger[metadataKey: "node"] = "\(handle.name)"
        logger[metadataKey: "cluster"] = "\(handle.cluster)"
        self.logger = logger
        self.nameBytes = Array(handle.name.utf8)
        self.inForce = Mutex(SettingsInForce(configuration.cluster.configuration))
        self.metrics = NodeMetrics(prefix: configuration.metricsPrefix, node: handle.name)
        self.seedProvider = configuration.seedProvider
        self.state = Mutex(State(leaveTimeout: configuration.node.leaveTimeout, seeds: options.seeds))
        let own = handle.deltas(of: handle.name, lane: .config) ?? []
        self.clusterState = Mutex(ClusterState(name: handle.name, file: configuration.cluster, own: own))
        let settings = DetectorSettings(configuration.cluster.configuration)
        let seed = UInt64.random(in: .min ... .max)
        self.detector = DetectorBox(detector: configuration.detector(handle.name, handle.generation, settings, seed))
        self.clientDoor = ClientDoor()
        self.clientDoor.attach(self)
        handle.activate(self)
        for handler in configuration.handlers {
            self.add(handler)
        }
        if !configuration.node.isStartupMessageOff {
            let address = Endpoint(host: options.listen.host, port: handle.port)
            logger.info("node listens", metadata: ["address": "\(address)", "generation": "\(handle.generation)"])
        }
    }

    deinit {
        let (hub, metrics) = (self.hub, self.metrics)
        self.handle.close {
            hub.finish()
            metrics.stop()
        }
    }

    // MARK: Life

    /// Joins the cluster and lasts until the node has stopped.
    ///
    /// Graceful shutdown means leave; cancellation of the task means to stop at once, without a word to the others.
    ///
    /// - Throws: ``GoferBrokeError`` where the cluster refuses the node (`nameInUse`, `clusterMismatch`, …) or a later life of it
    ///   has taken over (`replaced`: don't restart it).
    public func run() async throws {
        try self.start()
        let end = await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await self.end()
            } onGracefulShutdown: {
                self.beginLeave()
            }
        } onCancel: {
            self.finish(.shutDown)
        }
        if case .failed(let error) = end { throw error }
    }

    /// Begins to join: the seeds are tried for ever, until one answers. Returns at once; ``waitUntilJoined()`` waits.
    ///
    /// - Throws: ``GoferBrokeError``, if the node has stopped.
    public func start() throws(GoferBrokeError) {
        let (isFirst, end) = self.state.withLock { state in
            defer { state.isStarted = true }
            return (!state.isStarted, state.end)
        }
        if let end { throw Self.error(of: end, operation: "start the node") }
        guard isFirst else { return }
        let span = JoinSpan(node: self.name, cluster: self.cluster)
        self.state.withLock { $0.joinSpan = span }
        try self.handle.join()
        if let seedProvider {
            self.keep(Task { [node = WeakNode(self)] in await Self.refreshSeeds(of: node, from: seedProvider) })
        }
    }

    /// Waits until the node is part of a cluster, which it is at once if it has no seeds.
    ///
    /// - Throws: ``GoferBrokeError``: why the node has stopped instead, or `cancelled`.
    public func waitUntilJoined() async throws(GoferBrokeError) {
        guard let outcome = await self.joined.next() else {
            if let end = self.state.withLock({ $0.end }) { throw Self.error(of: end, operation: "join the cluster") }
            throw GoferBrokeError(code: .cancelled, operation: "join the cluster", reason: "the task was cancelled")
        }
        try outcome.get()
    }

    /// Beyond `LeaveTimeout`, until a node is stopped whose core has not said that it left.
    private static let leaveGrace = Duration.seconds(1)

    /// Changes for how long a leave waits for the neighbours, as after the configuration was read again.
    ///
    /// - Throws: ``GoferBrokeError``: it is out of the range of `LeaveTimeout`, or the node has stopped.
    public func setLeaveTimeout(_ timeout: Duration) throws(GoferBrokeError) {
        var node = self.nodeConfiguration
        node.leaveTimeout = timeout
        do {
            try node.validate()
        } catch {
            throw GoferBrokeError(error, operation: "set the leave timeout")
        }
        self.state.withLock { $0.leaveTimeout = timeout }
        try self.applySettings()
    }

    /// Says good-bye to the others and stops. Returns when that is done, as a rule within the `LeaveTimeout` of the node.
    public func leave() async {
        self.beginLeave()
        _ = await self.end()
    }

    /// Stops at once, without a word: the others will find the node dead. Returns when nothing is left of it.
    public func shutdown() async {
        self.finish(.shutDown)
        _ = await self.end()
    }

    /// Whether the node has stopped, or is about to.
    public var hasStopped: Bool {
        self.state.withLock { $0.end != nil }
    }

    /// Waits for the end, whatever happens to the calling task.
    private func end() async -> End {
        await Task { await self.ended.next() ?? .shutDown }.value
    }

    func beginLeave() {
        let (isFirst, isStarted, timeout) = self.state.withLock { state in
            defer { state.isLeaving = true }
            return (!state.isLeaving && state.end == nil, state.isStarted, state.leaveTimeout)
        }
        guard isFirst else { return }
        guard isStarted, (try? self.handle.leave()) != nil else { return self.finish(.left) }
        self.keep(
            Task { [weak self] in
                // The core ends the leave in time, which cancels this; unless its loop hangs.
                guard (try? await Task.sleep(for: timeout + Self.leaveGrace)) != nil else { return }
                self?.finish(.left)
            }
        )
    }

    /// Ends the node; the first reason counts. Safe on the pump's queue.
    func finish(_ end: End) {
        let (tasks, span) = self.state.withLock { state -> ([Task<Void, Never>]?, JoinSpan?) in
            guard state.end == nil else { return (nil, nil) }
            state.end = end
            defer {
                state.tasks = []
                state.joinSpan = nil
            }
            return (state.tasks, state.joinSpan)
        }
        guard let tasks else { return }
        span?.end(Self.error(of: end, operation: "join the cluster"))
        for task in tasks {
            task.cancel()
        }
        self.handle.close {
            self.hub.finish()
            self.metrics.stop()
            let error = Self.error(of: end, operation: "use the node")
            self.joined.update { $0.set(.failure(error)) }
            self.settled.finish()
            self.ended.update { $0.set(end) }
        }
    }

    /// Holds a task until the end, when it is cancelled.
    func keep(_ task: Task<Void, Never>) {
        let isOver = self.state.withLock { state in
            if state.end == nil {
                state.tasks.append(task)
            }
            return state.end != nil
        }
        if isOver {
            task.cancel()
        }
    }

    static func error(of end: End, operation: String) -> GoferBrokeError {
        switch end {
        case .failed(let error): return error
        case .left: return GoferBrokeError(code: .closed, operation: operation, reason: "the node has left the cluster")
        case .shutDown: return GoferBrokeError(code: .closed, operation: operation, reason: "the node was shut down")
        }
    }
}

/// A node that is not kept alive.
struct WeakNode: Sendable {
    // A `weak let` says that the reference never changes, which makes it as sendable as the node.
    weak let node: GossipNode?

    init(_ node: GossipNode) {
        self.node = node
    }
}
