// SPDX-License-Identifier: Apache-2.0
// What application logic needs of the node it runs on, be it a real one or one of a simulation.

/// A node, as application logic sees it: ``GossipNode``, or a node of a simulated cluster.
///
/// A ``GossipHandler`` is given one, so the same handler runs in a process of its own and, for tests, in a simulation with a
/// clock of its own (`GoferBrokeSimulation`).
public protocol ClusterNode: Sendable {
    /// The node's name.
    var name: String { get }
    /// The cluster's name.
    var cluster: String { get }
    /// Everybody known, self included, in the order of the names' bytes.
    var members: [Member] { get }
    /// Sets an own value given as bytes of a wire type. As ``GossipNode/set(group:key:type:bytes:expiresAfter:)``.
    func set(
        group: DeltaLabel,
        key: DeltaLabel,
        type: DeltaValueType,
        bytes: [UInt8],
        expiresAfter time: Duration?
    ) async throws(GoferBrokeError)
    /// Deletes an own value, for everybody. Throws `notFound` where there is none.
    func delete(group: DeltaLabel, key: DeltaLabel) async throws(GoferBrokeError)
    /// A participant's delta as it is, whatever its type; nil if there is none. Without `participant`: self's.
    func delta(group: DeltaLabel, key: DeltaLabel, from participant: String?, lane: DeltaLane) -> Delta?
    /// All deltas of a participant's lane, in no particular order; nil if the participant is not known.
    func deltas(of participant: String, lane: DeltaLane) -> [Delta]?
}

extension ClusterNode {
    /// Sets an own value. When this returns, readers on this node see it, and it is on its way to the others.
    public func set<Value: DeltaValue>(
        _ key: DeltaKey<Value>,
        to value: Value,
        expiresAfter time: Duration? = nil
    ) async throws(GoferBrokeError) {
        let bytes = try value.deltaBytes()
        try await self.set(group: key.group, key: key.key, type: Value.deltaValueType, bytes: bytes, expiresAfter: time)
    }

    /// Deletes an own value, for everybody. Throws `notFound` where there is none.
    public func delete<Value: DeltaValue>(_ key: DeltaKey<Value>) async throws(GoferBrokeError) {
        try await self.delete(group: key.group, key: key.key)
    }

    /// A participant's value of a key, the newest that this node knows; nil if there is none or it was set with another type.
    /// Without `participant`: self's.
    public func value<Value: DeltaValue>(of key: DeltaKey<Value>, from participant: String? = nil) -> Value? {
        self.delta(group: key.group, key: key.key, from: participant, lane: .user)?.value()
    }

    /// Every participant's value of a key, self's included.
    public func values<Value: DeltaValue>(of key: DeltaKey<Value>) -> [ParticipantValue<Value>] {
        self.members.compactMap { member in
            guard
                let delta = self.delta(group: key.group, key: key.key, from: member.name, lane: .user),
                let value = delta.value(as: Value.self)
            else { return nil }
            return ParticipantValue(participant: member.name, generation: delta.generation, version: delta.version, value: value)
        }
    }
}

extension GossipNode: ClusterNode {}
