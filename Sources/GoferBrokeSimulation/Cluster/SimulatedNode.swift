// SPDX-License-Identifier: Apache-2.0
// A node of a simulated cluster, as applications see it.

public import GoferBroke
public import GoferBrokeConfiguration
internal import GoferBrokeMembership

/// A node of a ``SimulatedCluster``: what a `GossipNode` is to the application of a real process.
///
/// It stands for all lives of its name. While no process runs, it knows nobody, has no values, and takes none. Everything
/// can be called from tests and handlers, and none of it lets time pass.
public final class SimulatedNode: ClusterNode {
    let slot: Int32
    let core: ClusterCore
    /// The node's name.
    public let name: String

    init(_ slot: Int32, name: String, core: ClusterCore) {
        self.slot = slot
        self.name = name
        self.core = core
    }

    /// The cluster's name.
    public var cluster: String {
        self.core.clusterName
    }

    // MARK: The cluster as it sees it

    /// Everybody known, self included, in the order of the names' bytes; empty where no process runs.
    public var members: [GoferBroke.Member] {
        self.core.withHost { $0.members(of: self.slot) }
    }

    /// A member by name; nil if nobody has it.
    public func member(named name: String) -> GoferBroke.Member? {
        self.members.first { $0.name.utf8.elementsEqual(name.utf8) }
    }

    /// How suspicious a member's silence is now; 0 for self, for those without a link to this node, and for unknown names.
    public func phi(of name: String) -> Double {
        self.core.withHost { host in
            let place = host.simulation.places[Int(self.slot)]
            return place.isRunning ? place.detector.phi(of: name, at: host.detectorTime(place)) : 0
        }
    }

    /// What this node knows of a member and why, as lines for people: how it stands, on whose word, and the story of what was
    /// seen of it. Empty if the name is not known.
    public func explain(_ name: String) -> [String] {
        self.core.withHost { $0.explain(name, at: self.slot) }
    }

    /// The cluster configuration in force on this node.
    public var configuration: ClusterConfiguration {
        self.core.withHost { $0.simulation.places[Int(self.slot)].configuration.configuration }
    }

    /// Changes a key of the cluster configuration for every node, as `GossipNode` does.
    ///
    /// - Throws: ``GoferBrokeError``: `configuration` for an unknown key, a wrong value, and a key that counts only from the start;
    ///   `closed` where no process runs; `busy` while it is frozen or does not know the cluster's configuration yet.
    public func changeConfiguration(_ key: String, to text: String) async throws(GoferBrokeError) {
        let operation = "set \(key) of the cluster configuration"
        try self.core.withHost { host throws(GoferBrokeError) in
            let place = try host.awake(self.slot, operation)
            guard place.configuration.isSettled else {
                let reason = "\(place.name) does not know the cluster's configuration yet"
                throw GoferBrokeError(code: .busy, operation: operation, reason: reason)
            }
            do throws(ConfigurationError) {
                try host.simulation.changeConfiguration(key, to: text, through: place)
            } catch {
                throw GoferBrokeError(code: .configuration, operation: operation, reason: error.description)
            }
        }
    }

    // MARK: Values

    /// Sets an own value given as bytes of a wire type. When this returns it is readable on this node, and on its way.
    ///
    /// - Throws: ``GoferBrokeError`` as `GossipNode` does: `groupSize`, `keySize`, `valueSize`, `tooManyKeys`, `wrongType`,
    ///   `invalidArgument` for a time that is not positive, `closed` where no process runs or it leaves; and `busy` while the process is
    ///   frozen, in which no code of its own would run.
    public func set(
        group: DeltaLabel,
        key: DeltaLabel,
        type: DeltaValueType,
        bytes: [UInt8],
        expiresAfter time: Duration? = nil
    ) async throws(GoferBrokeError) {
        try self.core.withHost { host throws(GoferBrokeError) in
            let place = try host.awake(self.slot, "set \(group):\(key)")
            let limits = SizeLimits(place.configuration.configuration)
            let millis = try limits.checkSet(group: group, key: key, valueSize: bytes.count, expiresAfter: time)
            // The core's own bound, 49 days.
            let timeToLive = millis == 0 ? nil : Duration.milliseconds(Int64(min(millis, UInt64(UInt32.max))))
            try host.simulation.set(place, group: group, key: key, type: type, bytes: bytes, timeToLive: timeToLive)
        }
    }

    /// Deletes an own value, for everybody.
    ///
    /// - Throws: ``GoferBrokeError``: `notFound` where there is none, and as ``set(group:key:type:bytes:expiresAfter:)``.
    public func delete(group: DeltaLabel, key: DeltaLabel) async throws(GoferBrokeError) {
        try self.core.withHost { host throws(GoferBrokeError) in
            let place = try host.awake(self.slot, "delete \(group):\(key)")
            try SizeLimits(place.configuration.configuration).check(group: group, key: key, valueSize: 0)
            try host.simulation.delete(place, group: group, key: key)
        }
    }

    /// A participant's delta as it is, whatever its type; nil if there is none. Without `participant`: self's.
    public func delta(
        group: DeltaLabel,
        key: DeltaLabel,
        from participant: String? = nil,
        lane: DeltaLane = .user
    ) -> Delta? {
        self.core.withHost { host in
            host.simulation.places[Int(self.slot)].engine?.delta(lane: lane, group: group, key: key, from: participant ?? self.name)
        }
    }

    /// All deltas of a participant's lane, in no particular order; nil if the participant is not known.
    public func deltas(of participant: String, lane: DeltaLane = .user) -> [Delta]? {
        self.core.withHost { $0.simulation.places[Int(self.slot)].engine?.deltas(of: participant, lane: lane) }
    }
}

extension SimulatedNode {
    /// How a node is, as a look from outside shows it: its process, not what others believe.
    public enum Status: Sendable, Hashable {
        /// It runs, and is no member of a cluster yet.
        case joining
        /// It runs and is a member.
        case joined
        /// Its process is there, and stands still.
        case frozen
        /// It says good-bye.
        case leaving
        /// It said good-bye.
        case left
        /// Its process was killed.
        case killed
        /// Its host has no power.
        case withoutPower
        /// The cluster did not want it: its name is in use, or a later life has taken over.
        case refused(GoferBrokeError)
    }

    /// Something that this node was told of, and when.
    public struct Event: Sendable {
        /// Time of the cluster, as ``SimulatedCluster/now``.
        public var time: Duration
        /// What, as `GossipNode.events` would have told it; there are no snapshots among them.
        public var event: GossipEvent
    }

    /// The newest so many events are kept.
    public static let eventCountMax = 1_024

    /// How it is.
    public var status: Status {
        self.core.withHost { $0.status(of: self.slot) }
    }

    /// Whether it has a process, frozen or not.
    public var isRunning: Bool {
        self.core.withHost { $0.simulation.places[Int(self.slot)].isRunning }
    }

    /// Which life of the node this is, or the last one was.
    public var generation: UInt64 {
        self.core.withHost { $0.simulation.places[Int(self.slot)].generation }
    }

    /// What it was told of, over all its lives, oldest first: the newest ``eventCountMax``.
    public var events: [Event] {
        self.core.withHost { Array($0.nodes[Int(self.slot)].events.elements) }
    }

    /// How many events were dropped for newer ones.
    public var droppedEventCount: Int {
        self.core.withHost { $0.nodes[Int(self.slot)].events.droppedCount }
    }
}

extension ClusterHost {
    /// A node whose own code could run now.
    fileprivate func awake(_ slot: Int32, _ operation: @autoclosure () -> String) throws(GoferBrokeError) -> NodePlace {
        let place = self.simulation.places[Int(slot)]
        guard place.isRunning else {
            throw GoferBrokeError(code: .closed, operation: operation(), reason: "no process of \(place.name) runs")
        }
        guard !place.isFrozen else {
            throw GoferBrokeError(code: .busy, operation: operation(), reason: "the process of \(place.name) is frozen")
        }
        return place
    }
}
