// SPDX-License-Identifier: Apache-2.0
// Setting, deleting and reading deltas.

internal import GoferBrokeConfiguration

extension GossipNode {
    // MARK: Setting

    /// Sets an own value. When this returns, readers on this node see it, and it is on its way to the others.
    ///
    /// It suspends only while 100,000 changes of distinct keys wait already; of changes of one key the newest wins.
    ///
    /// - Throws: ``GoferBrokeError``: `groupSize` (also for the group `system`, which is reserved), `keySize`, `valueSize`,
    ///   `tooManyKeys` (nothing is ever truncated), `encoding` where the value can't be encoded, `closed`, and `cancelled` where
    ///   the task was cancelled while it waited.
    public func set<Value: DeltaValue>(_ key: DeltaKey<Value>, to value: Value) async throws(GoferBrokeError) {
        let bytes = try value.deltaBytes()
        try await self.set(group: key.group, key: key.key, type: Value.deltaValueType, bytes: bytes)
    }

    /// Sets an own value that deletes itself after a time.
    ///
    /// - Throws: As ``set(_:to:)``, and `invalidArgument` for a time that is not positive.
    public func set<Value: DeltaValue>(
        _ key: DeltaKey<Value>,
        to value: Value,
        expiresAfter time: Duration
    ) async throws(GoferBrokeError) {
        let bytes = try value.deltaBytes()
        try await self.set(group: key.group, key: key.key, type: Value.deltaValueType, bytes: bytes, expiresAfter: time)
    }

    /// Sets an own value given as bytes of a wire type.
    ///
    /// - Throws: As ``set(_:to:)``, and `wrongType` where the bytes are no value of the type.
    public func set(
        group: DeltaLabel,
        key: DeltaLabel,
        type: DeltaValueType,
        bytes: [UInt8],
        expiresAfter time: Duration? = nil
    ) async throws(GoferBrokeError) {
        let limits = self.inForce.withLock { $0.limits }
        let timeToLive = try limits.checkSet(group: group, key: key, valueSize: bytes.count, expiresAfter: time)
        try await self.whenNotFull("set \(group):\(key)") { () throws(GoferBrokeError) in
            try self.handle.set(lane: .user, group: group, key: key, type: type, bytes: bytes, timeToLive: timeToLive)
        }
    }

    /// Deletes an own value, for everybody.
    ///
    /// - Throws: ``GoferBrokeError``: `notFound`, and as ``set(_:to:)``.
    public func delete<Value: DeltaValue>(_ key: DeltaKey<Value>) async throws(GoferBrokeError) {
        try await self.delete(group: key.group, key: key.key)
    }

    /// Deletes an own value, for everybody.
    ///
    /// - Throws: ``GoferBrokeError``: `notFound`, and as ``set(_:to:)``.
    public func delete(group: DeltaLabel, key: DeltaLabel) async throws(GoferBrokeError) {
        try self.inForce.withLock { $0.limits }.check("delete", group: group, key: key, valueSize: 0)
        try await self.whenNotFull("delete \(group):\(key)") { () throws(GoferBrokeError) in
            try self.handle.delete(lane: .user, group: group, key: key)
        }
    }

    /// Repeats a change with growing pauses while the core's queue is full: the caller's task waits, nobody else.
    private func whenNotFull(
        _ operation: @autoclosure () -> String,
        _ body: () throws(GoferBrokeError) -> Void
    ) async throws(GoferBrokeError) {
        var pause = Duration.milliseconds(1)
        while true {
            do throws(GoferBrokeError) {
                return try body()
            } catch {
                guard error.code == .queueFull else { throw error }
            }
            do {
                try await Task.sleep(for: pause)
            } catch {
                let reason = "the task was cancelled while the queue of changes was full"
                throw GoferBrokeError(code: .cancelled, operation: operation(), reason: reason)
            }
            pause = min(pause * 2, .milliseconds(50))
        }
    }

    // MARK: Reading

    /// The own value of a key; nil if there is none, or it was set with another type. Never waits.
    public func value<Value: DeltaValue>(of key: DeltaKey<Value>) -> Value? {
        self.value(of: key, fromBytes: self.nameBytes)
    }

    /// A participant's value of a key, the newest that this node knows; nil if there is none, the participant is not known, or
    /// it set the key with another type (``delta(group:key:from:)`` shows it). Never waits.
    public func value<Value: DeltaValue>(of key: DeltaKey<Value>, from participant: String) -> Value? {
        self.value(of: key, fromBytes: Array(participant.utf8))
    }

    private func value<Value: DeltaValue>(of key: DeltaKey<Value>, fromBytes participant: [UInt8]) -> Value? {
        guard
            let raw = self.handle.value(lane: .user, group: key.group, key: key.key, from: participant),
            raw.type == Value.deltaValueType.rawValue
        else { return nil }
        return Value(deltaBytes: raw.bytes)
    }

    /// Every participant's value of a key, self's included, dead and departed ones' too as long as they are remembered. Values
    /// set with another type are passed over.
    public func values<Value: DeltaValue>(of key: DeltaKey<Value>) -> [ParticipantValue<Value>] {
        self.handle.members().compactMap { member in
            guard
                let delta = self.handle.delta(lane: .user, group: key.group, key: key.key, from: member.name),
                let value = delta.value(as: Value.self)
            else { return nil }
            return ParticipantValue(participant: member.name, generation: delta.generation, version: delta.version, value: value)
        }
    }

    /// A participant's delta as it is, whatever its type; nil if there is none. Without `participant`: self's.
    public func delta(
        group: DeltaLabel,
        key: DeltaLabel,
        from participant: String? = nil,
        lane: DeltaLane = .user
    ) -> Delta? {
        self.handle.delta(lane: lane, group: group, key: key, from: participant ?? self.name)
    }

    /// All deltas of a participant's lane, in no particular order; nil if the participant is not known.
    public func deltas(of participant: String, lane: DeltaLane = .user) -> [Delta]? {
        self.handle.deltas(of: participant, lane: lane)
    }

    /// All deltas of all participants that a filter matches.
    func deltas(matching filter: ChangeFilter) -> [Delta] {
        self.handle.members().flatMap { member -> [Delta] in
            if let group = filter.group, let key = filter.key {
                return self.handle.delta(lane: filter.lane, group: group, key: key, from: member.name).map { [$0] } ?? []
            }
            return self.handle.deltas(of: member.name, lane: filter.lane, group: filter.group) ?? []
        }
    }

    // MARK: Changes

    /// Changes of a key, every participant's: what is there first, then what is set and deleted.
    public func changes<Value: DeltaValue>(of key: DeltaKey<Value>) -> ValueChanges<Value> {
        ValueChanges(changes: DeltaChanges(node: self, filter: ChangeFilter(group: key.group, key: key.key)))
    }

    /// Changes in a key group, every participant's, whatever their type.
    public func changes(group: DeltaLabel) -> DeltaChanges {
        DeltaChanges(node: self, filter: ChangeFilter(group: group))
    }

    /// Changes of one key, every participant's, whatever their type.
    public func changes(group: DeltaLabel, key: DeltaLabel) -> DeltaChanges {
        DeltaChanges(node: self, filter: ChangeFilter(group: group, key: key))
    }

    /// All changes of what applications set.
    public func changes() -> DeltaChanges {
        DeltaChanges(node: self, filter: ChangeFilter())
    }
}
