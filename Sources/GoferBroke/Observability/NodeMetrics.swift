// SPDX-License-Identifier: Apache-2.0
// A node's counters as metrics.

internal import GoferBrokeMembership
internal import Metrics

/// A node's counters as metrics, recorded once a second. Labels begin with the configured prefix; each has the dimension `node`.
/// Phi is told for the members that the node has a link to, which are few whatever the size of the cluster.
final class NodeMetrics: Sendable {
    private struct State {
        var last = NodeStatistics()
        var lastOfDetector = DetectorStatistics()
        var phi: [NodeName: Gauge] = [:]
        var isStopped = false
    }

    private let prefix: String
    private let node: String
    private let state = Mutex(State())

    private let rounds: Counter
    private let exchanges: Counter
    private let exchangeTime: Timer
    private let deltasSent: Counter
    private let deltasApplied: Counter
    private let bytesSent: Counter
    private let bytesReceived: Counter
    private let links: Gauge
    private let queuedBytes: Gauge
    private let keys: Gauge
    private let pacing: Gauge
    private let admittedRate: Gauge
    private let offeredRate: Gauge
    private let pendingChanges: Gauge
    private let pacingWaits: Counter
    private let membersAlive: Gauge
    private let membersSuspect: Gauge
    private let membersDead: Gauge
    private let membersLeft: Gauge
    private let detector: [(counter: Counter, count: @Sendable (DetectorStatistics) -> UInt64)]
    private let localHealth: Gauge

    init(prefix: String, node: String) {
        self.prefix = prefix
        self.node = node
        let dimensions = [("node", node)]
        func label(_ name: String) -> String { prefix.isEmpty ? name : "\(prefix).\(name)" }
        func members(_ status: Member.Status) -> Gauge {
            Gauge(label: label("members"), dimensions: dimensions + [("status", status.description)])
        }
        self.rounds = Counter(label: label("rounds"), dimensions: dimensions)
        self.exchanges = Counter(label: label("exchanges"), dimensions: dimensions)
        self.exchangeTime = Timer(label: label("exchange_duration"), dimensions: dimensions)
        self.deltasSent = Counter(label: label("deltas_sent"), dimensions: dimensions)
        self.deltasApplied = Counter(label: label("deltas_applied"), dimensions: dimensions)
        self.bytesSent = Counter(label: label("bytes_sent"), dimensions: dimensions)
        self.bytesReceived = Counter(label: label("bytes_received"), dimensions: dimensions)
        self.links = Gauge(label: label("links"), dimensions: dimensions)
        self.queuedBytes = Gauge(label: label("queued_bytes"), dimensions: dimensions)
        self.keys = Gauge(label: label("keys"), dimensions: dimensions)
        self.pacing = Gauge(label: label("pacing"), dimensions: dimensions)
        self.admittedRate = Gauge(label: label("admitted_per_s"), dimensions: dimensions)
        self.offeredRate = Gauge(label: label("offered_per_s"), dimensions: dimensions)
        self.pendingChanges = Gauge(label: label("pending_changes"), dimensions: dimensions)
        self.pacingWaits = Counter(label: label("pacing_waits"), dimensions: dimensions)
        self.membersAlive = members(.alive)
        self.membersSuspect = members(.suspect)
        self.membersDead = members(.dead)
        self.membersLeft = members(.left)
        self.detector = Self.detectorCounters.map { (Counter(label: label($0.label), dimensions: dimensions), $0.count) }
        self.localHealth = Gauge(label: label("local_health"), dimensions: dimensions)
    }

    /// What the detector counts, and under which label.
    private static let detectorCounters: [(label: String, count: @Sendable (DetectorStatistics) -> UInt64)] = [
        ("detector_checks", { $0.checks }),
        ("detector_probes", { $0.probes }),
        ("detector_probes_through_others", { $0.probesThroughOthers }),
        ("detector_probes_answered", { $0.probesAnswered }),
        ("detector_accusations", { $0.accusations }),
        ("detector_retractions", { $0.retractions }),
        ("detector_suspicions", { $0.suspicions }),
        ("detector_deaths", { $0.deaths }),
        ("detector_deaths_taken_back", { $0.deathsTakenBack }),
        ("detector_own_pauses", { $0.ownPauses }),
    ]

    /// What the detector did since the last call, and how well the node is: 0 (well) to 8.
    func record(_ statistics: DetectorStatistics, localHealth: Int) {
        let last = self.state.withLock { state in
            defer { state.lastOfDetector = statistics }
            return state.lastOfDetector
        }
        for (counter, count) in self.detector where count(statistics) > count(last) {
            counter.increment(by: Int64(clamping: count(statistics) - count(last)))
        }
        self.localHealth.record(localHealth)
    }

    func exchanged(_ duration: Duration) {
        self.exchangeTime.record(duration: duration)
    }

    func record(_ statistics: NodeStatistics, phi: [(name: NodeName, phi: Double)]) {
        let last = self.state.withLock { state in
            defer { state.last = statistics }
            return state.last
        }
        func add(_ counter: Counter, _ path: KeyPath<NodeStatistics, UInt64>) {
            let (old, new) = (last[keyPath: path], statistics[keyPath: path])
            // A node that is closing reads zeros.
            if new > old {
                counter.increment(by: Int64(clamping: new - old))
            }
        }
        add(self.rounds, \.rounds)
        add(self.exchanges, \.exchangesBegun)
        add(self.deltasSent, \.deltasSent)
        add(self.deltasApplied, \.deltasApplied)
        add(self.bytesSent, \.bytesSent)
        add(self.bytesReceived, \.bytesReceived)
        add(self.pacingWaits, \.pacingWaits)
        self.links.record(statistics.linksOpen)
        self.queuedBytes.record(statistics.queuedBytes)
        self.keys.record(statistics.mapKeys)
        self.pacing.record(statistics.load.isPacing ? 1 : 0)
        self.admittedRate.record(statistics.load.admittedRate)
        self.offeredRate.record(statistics.load.offeredRate)
        self.pendingChanges.record(statistics.load.pendingCount)
        self.membersAlive.record(statistics.membersAlive)
        self.membersSuspect.record(statistics.membersSuspect)
        self.membersDead.record(statistics.membersDead)
        self.membersLeft.record(statistics.membersLeft)
        self.record(phi: phi)
    }

    private func record(phi values: [(name: NodeName, phi: Double)]) {
        let label = self.prefix.isEmpty ? "phi" : "\(self.prefix).phi"
        var gauges = self.state.withLock { $0.phi }
        var kept: [NodeName: Gauge] = [:]
        for (name, value) in values {
            let gauge = gauges.removeValue(forKey: name) ?? Gauge(label: label, dimensions: [("node", self.node), ("peer", name.text)])
            gauge.record(value)
            kept[name] = gauge
        }
        for gauge in gauges.values {
            gauge.destroy()
        }
        self.state.withLock { $0.phi = kept }
    }

    /// The node has stopped: its gauges mean nothing any more.
    func stop() {
        let gauges = self.state.withLock { state in
            defer { state.phi = [:] }
            return state.phi
        }
        for gauge in gauges.values {
            gauge.destroy()
        }
        for gauge in [
            self.links, self.queuedBytes, self.keys, self.pacing, self.admittedRate, self.offeredRate, self.pendingChanges,
            self.membersAlive, self.membersSuspect, self.membersDead, self.membersLeft,
            self.localHealth,
        ] {
            gauge.record(0)
        }
    }
}
