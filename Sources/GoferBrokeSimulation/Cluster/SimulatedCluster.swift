// SPDX-License-Identifier: Apache-2.0
// A cluster in a made-up network and time, for applications: their handlers run inside.

public import GoferBroke
public import GoferBrokeConfiguration
public import GoferBrokeMembership

/// A cluster in a made-up network and time, with your own handlers running inside.
///
/// The nodes are the real thing, engine and failure detector as a process has them; network, hosts and clock are made up. The clock
/// is manual: time moves inside ``run(for:)`` and ``run(until:within:every:_:)`` alone, and an hour of it passes in seconds. One seed
/// decides everything that is random, so the same calls give the same run, to the byte:
///
/// ```swift
/// let cluster = SimulatedCluster(seed: 7)
/// let a = try cluster.add("a", handlers: [Counter()])
/// let b = try cluster.add("b", handlers: [Counter()])
/// try await cluster.run(until: { a.members.count == 2 }, within: .seconds(5))
/// cluster.split([[a], [b]])
/// try await cluster.run(for: .seconds(30))
/// ```
///
/// Handlers are called at the virtual time at which they have something to do, one after the other, nodes in the order in which
/// they were added; while one runs, time stands still. So a handler must not wait for time to pass: a `Task.sleep` in it
/// sleeps real seconds, in which nothing happens in the cluster. For a run that can be repeated, call the cluster and its nodes
/// from one task and from handlers, and start no tasks in them.
///
/// Every change of every node's map is compared with what the owners really wrote, and every death with who really runs. What breaks a
/// rule ends the run: it throws the ``Violation``, and from then on each run does.
public final class SimulatedCluster: Sendable {
    let core: ClusterCore

    /// A cluster without nodes.
    public init(_ options: Options = Options()) {
        self.core = ClusterCore(options)
    }

    /// A cluster without nodes, on a local network.
    public convenience init(seed: UInt64) {
        self.init(Options(seed: seed))
    }

    // MARK: Nodes

    /// Adds a node and starts its process. Nothing has happened yet when this returns: time has to pass.
    ///
    /// - Parameters:
    ///   - name: 1 to 255 bytes without control characters; also its host's name.
    ///   - seeds: Whom to join through; nil: the first three that were added before. None begins a cluster of its own.
    ///   - isBehindNAT: Whether nobody can dial it.
    ///   - handlers: What runs on it. The expression is evaluated anew at each start of the process: `[Counter()]` begins with nothing
    ///     after a restart, as in a real process, while of `[counter]` the object lives on.
    /// - Throws: ``GoferBrokeError``: `nameInUse` where the cluster has one of that name, running or not; `invalidName`.
    @discardableResult
    public func add(
        _ name: String,
        seeds: [SimulatedNode]? = nil,
        isBehindNAT: Bool = false,
        handlers: @autoclosure @escaping @Sendable () -> [any GossipHandler] = []
    ) throws(GoferBrokeError) -> SimulatedNode {
        guard (1...255).contains(name.utf8.count), !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
        else {
            let reason = "a name has 1 to 255 bytes and no control characters"
            throw GoferBrokeError(code: .invalidName, operation: "add a node", reason: reason)
        }
        let slots = seeds.map { $0.map { self.slot($0) } }
        // Application code: called while the lock is not held.
        let first = handlers()
        let slot = self.core.withHost { host -> Int32? in
            guard host.simulation.place(named: name) == nil else { return nil }
            let place = host.simulation.addPlace(name)
            place.isBehindNAT = isBehindNAT
            host.nodes.append(ClusterHost.HostedNode(makeHandlers: handlers))
            host.start(place, .init(seeds: slots ?? host.usualSeeds(for: place.slot)), first)
            return place.slot
        }
        guard let slot else {
            throw GoferBrokeError(code: .nameInUse, operation: "add \(name)", reason: "the cluster has a node of that name")
        }
        return SimulatedNode(slot, name: name, core: self.core)
    }

    /// All nodes that were added, running or not, in the order in which they were.
    public var nodes: [SimulatedNode] {
        self.core.withHost { host in host.simulation.places.map(\.name) }
            .enumerated().map { SimulatedNode(Int32($0.offset), name: $0.element, core: self.core) }
    }

    /// Those whose process runs.
    public var runningNodes: [SimulatedNode] {
        self.nodes.filter(\.isRunning)
    }

    func slot(_ node: SimulatedNode) -> Int32 {
        precondition(node.core === self.core, "\(node.name) is a node of another simulated cluster: use the nodes that add() returned")
        return node.slot
    }

    // MARK: Time

    /// How much time has passed in the cluster. It moves while it runs alone.
    public var now: Duration {
        self.core.withHost { .microseconds(Int64($0.simulation.now - 1_000_000)) }
    }

    /// Lets time pass, and handlers run.
    ///
    /// - Throws: ``Violation`` where a rule is broken; the cluster is left as it was at that moment. `CancellationError` where the task
    ///   is cancelled; the cluster can be run on. ``GoferBrokeError`` with code `busy` where it runs already, as inside a handler.
    public func run(for duration: Duration) async throws {
        try await self.core.exclusively { try await self.core.run(until: self.core.time(after: duration)) }
    }

    /// Lets time pass until something holds.
    ///
    /// - Parameters:
    ///   - condition: Looked at now and then each time that `pause` has passed. It may read all that it wants, and must not run the
    ///     cluster.
    ///   - bound: For so long at most.
    ///   - pause: How often to look.
    /// - Returns: Whether it came to hold.
    /// - Throws: As ``run(for:)``, and what the condition throws.
    @discardableResult
    public func run(
        until condition: @Sendable () async throws -> Bool,
        within bound: Duration,
        every pause: Duration = .milliseconds(10)
    ) async throws -> Bool {
        let end = self.core.time(after: bound)
        return try await self.core.exclusively {
            while try await !condition() {
                let next = min(end, self.core.time(after: max(pause, .microseconds(1))))
                guard self.core.time(after: .zero) < end else { return false }
                try await self.core.run(until: next)
            }
            return true
        }
    }

    // MARK: Looking

    /// Rules that were broken: at most one, since it ends the run, and false deaths that don't.
    public var violations: [Violation] {
        self.core.withHost { $0.simulation.violations + $0.falseDeaths }
    }

    /// Whether all nodes that run know the same, hold each other for alive and everybody else for gone.
    public var isAgreed: Bool {
        self.core.withHost { $0.simulation.isAgreed() }
    }

    /// What keeps the nodes from agreement, in a sentence; nil where they agree.
    public var disagreement: String? {
        self.core.withHost { $0.simulation.disagreement().map { "\($0.observer): \($0.text)" } }
    }

    /// What happened: starts, joins, probes, accusations, deaths, faults and errors of handlers, each with its second. The newest
    /// ``Options/traceLineCount`` lines.
    public var trace: [String] {
        self.core.withHost { Array($0.lines.elements) }
    }

    /// A hash of what everybody knows and of how much has happened: two runs that differ have different ones.
    public var fingerprint: UInt64 {
        self.core.withHost { $0.simulation.fingerprint }
    }
}

extension SimulatedCluster {
    /// What a simulated cluster is made of.
    public struct Options: Sendable {
        /// Of all that is random.
        public var seed: UInt64
        /// Of every path that has no other.
        public var delay = PathDelay.localNetwork
        /// Bytes per second that one host sends; 0: no bound.
        public var bandwidth: UInt64 = 125_000_000
        /// The cluster's configuration at the beginning, its name included.
        public var configuration = ClusterConfiguration(name: "simulation")
        /// What each node judges the others with.
        public var detector = DetectorFactory.phiAccrual
        /// Whether it is a ``Violation`` that ends the run when a healthy node holds one for dead that ran and could be reached for the
        /// last 8 s. Turn it off for detectors that do this: ``SimulatedCluster/violations`` lists them all the same.
        public var isFalseDeathFatal = true
        /// How many lines of ``SimulatedCluster/trace`` are kept; 0: none is made.
        public var traceLineCount = 10_000

        /// A local network with a seed.
        public init(seed: UInt64 = 1) {
            self.seed = seed
        }
    }

    /// Makes the failure detector of each life of each node.
    public struct DetectorFactory: Sendable {
        let make: @Sendable (String, UInt64, DetectorSettings, UInt64) -> any FailureDetector

        /// A detector of your own. Same arguments must give the same detector, and it must have no other randomness than its seed.
        public init(
            _ make:
                @escaping @Sendable (
                    _ name: String, _ generation: UInt64, _ settings: DetectorSettings, _ seed: UInt64
                ) -> any FailureDetector
        ) {
            self.make = make
        }

        /// What real nodes use.
        public static let phiAccrual = DetectorFactory { PhiAccrualDetector(name: $0, generation: $1, settings: $2, seed: $3) }
        /// The baseline for comparison: phi over the threshold is death.
        public static let plainPhi = DetectorFactory { PlainPhiDetector(name: $0, generation: $1, settings: $2, seed: $3) }
    }
}

extension Violation: Error {}

/// What cluster and nodes share: the simulation, behind a lock.
final class ClusterCore: Sendable {
    /// After so many events of a simulation others may have the thread.
    static let stepCount = 4_096

    private let host: Mutex<ClusterHost>
    let clusterName: String

    init(_ options: SimulatedCluster.Options) {
        self.clusterName = options.configuration.name
        self.host = Mutex(ClusterHost(options))
    }

    /// Application code is never called in here: it could come back.
    func withHost<Result, Failure: Error>(
        _ body: (inout sending ClusterHost) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        try self.host.withLock(body)
    }

    /// `duration` from now; not past a hundred years.
    func time(after duration: Duration) -> UInt64 {
        let micros = min(max(duration, .zero), .seconds(3_153_600_000)).positiveMicros
        return self.withHost { $0.simulation.now + micros }
    }

    /// One at a time: two that let time pass would have one run that neither could repeat.
    func exclusively<Result>(_ body: () async throws -> Result) async throws -> Result {
        guard self.withHost({ $0.beginRun() }) else {
            let reason = "it runs already: only one task may let time pass, and a handler may not"
            throw GoferBrokeError(code: .busy, operation: "run the simulated cluster", reason: reason)
        }
        defer { self.withHost { $0.endRun() } }
        return try await body()
    }

    func run(until end: UInt64) async throws {
        while true {
            try Task.checkCancellation()
            switch self.withHost({ $0.advance(until: end, stepCount: Self.stepCount) }) {
            case .reached: return
            case .violated(let violation): throw violation
            case .paused: await Task.yield()
            case .calls(let calls):
                for call in calls {
                    try await self.make(call)
                }
            }
        }
    }

    private func make(_ call: PendingCall) async throws {
        let name = self.withHost { $0.isCurrent(call) ? $0.simulation.places[Int(call.slot)].name : nil }
        guard let name else { return }
        do {
            try await call.handler.take(call.call, on: SimulatedNode(call.slot, name: name, core: self))
        } catch {
            if error is CancellationError { try Task.checkCancellation() }
            self.withHost { $0.tell("the handler of \(call.handler.keyGroup) at \(name) failed: \(error)") }
        }
    }
}
