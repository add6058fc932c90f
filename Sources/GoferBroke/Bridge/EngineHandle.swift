// SPDX-License-Identifier: Apache-2.0
// Owns a bare engine of the C core, for a driver that makes up network and time.

internal import CGoferBroke
package import GoferBrokeConfiguration
package import GoferBrokeMembership

/// What an engine is opened with.
package struct EngineOptions: Sendable {
    package var cluster: String
    package var name: String
    /// From 1; greater than that of any earlier life of the name.
    package var generation: UInt64
    /// Random for each start, not 0.
    package var instance: UInt64
    /// Of all randomness of the engine.
    package var seed: UInt64
    package var hasDetector = true
    /// Where others can dial this node; empty where nobody can.
    package var addresses: [Endpoint] = []
    package var seeds: [Endpoint] = []
    /// 0: the core's default.
    package var participantCountMax: UInt32 = 0
    package var settings: EngineSettings

    package init(
        cluster: String,
        name: String,
        generation: UInt64,
        instance: UInt64,
        seed: UInt64,
        settings: EngineSettings = EngineSettings()
    ) {
        self.cluster = cluster
        self.name = name
        self.generation = generation
        self.instance = instance
        self.seed = seed
        self.settings = settings
    }
}

/// Why a link ended, as the driver of an engine tells it.
package enum LinkEnd: Sendable, Hashable {
    case ended, reset, timedOut, refused, unreachable

    var cause: UInt8 {
        switch self {
        case .ended: return UInt8(GB_CLOSE_ENDED)
        case .reset: return UInt8(GB_CLOSE_RESET)
        case .timedOut: return UInt8(GB_CLOSE_TIMED_OUT)
        case .refused: return UInt8(GB_CLOSE_REFUSED)
        case .unreachable: return UInt8(GB_CLOSE_UNREACHABLE)
        }
    }
}

/// Who carries out what an engine wants. Called by ``EngineHandle/flush(now:into:)`` alone, and must not call the engine.
package protocol EngineDriver: DeltaWatcher {
    /// Bytes for a link, lent for the call.
    func engineSends(_ bytes: UnsafeRawBufferPointer, on link: UInt64)
    /// The answer is `connected` or `closed`, within `timeout` microseconds.
    func engineDials(_ endpoint: Endpoint, timeout: UInt64, link: UInt64)
    /// After the bytes sent before it.
    func engineCloses(_ link: UInt64)
    func engineNotifies(_ event: NodeEvent)
}

/// What is held of one participant.
package struct KnownParticipant: Sendable {
    package var name: String
    package var generation: UInt64
    package var isSelf: Bool
    /// Versions and purge floors by lane.
    package var versions: SIMD4<UInt64>
    package var floors: SIMD4<UInt64>
}

/// One record of a lane, as the checkers see it.
package struct KnownRecord: Sendable {
    package var version: UInt64
    package var isTombstone: Bool
    /// Hashes of group and key, and of type and value.
    package var keyDigest: UInt64
    package var valueDigest: UInt64
}

/// Owns a `gb_engine`: the protocol as a pure machine. One caller at a time; times are monotonic microseconds of the node's clock.
package final class EngineHandle {
    private let engine: OpaquePointer

    /// - Throws: ``GoferBrokeError``, with the engine's sentence.
    package init(_ options: EngineOptions, now: UInt64) throws(GoferBrokeError) {
        let operation = "open engine \(options.name)"
        let pool = CStringPool()
        let own = try pool.addresses(options.addresses, of: operation)
        let seeds = try pool.addresses(options.seeds, of: operation)
        var c = gb_engine_options()
        c.size = MemoryLayout<gb_engine_options>.stride
        c.cluster = gb_slice_from_str(try pool.copy(options.cluster, of: operation))
        c.name = gb_slice_from_str(try pool.copy(options.name, of: operation))
        c.generation = options.generation
        c.instance = options.instance
        c.seed = options.seed
        c.has_detector = options.hasDetector
        c.participant_count_max = options.participantCountMax
        c.settings = options.settings.c
        var info = gb_err_info()
        var engine: OpaquePointer?
        let err = own.withUnsafeBufferPointer { own in
            seeds.withUnsafeBufferPointer { seeds in
                c.addresses = own.baseAddress
                c.address_count = UInt32(own.count)
                c.seeds = seeds.baseAddress
                c.seed_count = UInt32(seeds.count)
                return withExtendedLifetime(pool) { gb_engine_open(&c, now, &engine, &info) }
            }
        }
        try GoferBrokeError.check(err, info, operation)
        guard let engine else { throw GoferBrokeError(GB_EBROKEN, operation: operation) }
        self.engine = engine
    }

    deinit {
        gb_engine_close(self.engine)
    }

    // MARK: Events in

    /// The number of the link of an accepted connection; nil where the engine takes no more.
    package func accepted(from host: String, port: UInt16, now: UInt64) -> UInt64? {
        var link: UInt64 = 0
        var host = host
        let err = host.withUTF8 { bytes in
            gb_engine_accepted(
                self.engine,
                now,
                UInt8(GB_ROLE_MEMBER),
                gb_slice(base: bytes.baseAddress, len: bytes.count),
                port,
                &link
            )
        }
        return err == GB_OK ? link : nil
    }

    package func connected(_ link: UInt64, now: UInt64) {
        gb_engine_connected(self.engine, now, link)
    }

    package func received(_ bytes: UnsafeRawBufferPointer, on link: UInt64, now: UInt64) {
        let slice = gb_slice(base: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), len: bytes.count)
        gb_engine_received(self.engine, now, link, slice)
    }

    package func sent(_ byteCount: Int, on link: UInt64, now: UInt64) {
        gb_engine_sent(self.engine, now, link, byteCount)
    }

    package func closed(_ link: UInt64, _ end: LinkEnd, now: UInt64) {
        gb_engine_closed(self.engine, now, link, end.cause, gb_slice())
    }

    package func tick(now: UInt64) {
        gb_engine_tick(self.engine, now)
    }

    /// When the engine wants its next tick; as of the last flush.
    package var deadline: UInt64 {
        gb_engine_deadline(self.engine)
    }

    // MARK: Commands

    package func join(now: UInt64) {
        gb_engine_join(self.engine, now)
    }

    package func leave(now: UInt64) {
        gb_engine_leave(self.engine, now)
    }

    package func setSeeds(_ endpoints: [Endpoint], now: UInt64) throws(GoferBrokeError) {
        let operation = "set the seeds"
        let pool = CStringPool()
        let seeds = try pool.addresses(endpoints, of: operation)
        let err = withExtendedLifetime(pool) { gb_engine_set_seeds(self.engine, now, seeds, UInt32(clamping: seeds.count)) }
        try GoferBrokeError.check(err, operation)
    }

    package func configure(_ settings: EngineSettings, now: UInt64) {
        var c = settings.c
        gb_engine_configure(self.engine, now, &c)
    }

    package func set(
        lane: DeltaLane,
        group: DeltaLabel,
        key: DeltaLabel,
        type: DeltaValueType,
        bytes: [UInt8],
        timeToLive: UInt64,
        now: UInt64
    ) throws(GoferBrokeError) {
        let time = UInt32(clamping: timeToLive)
        let operation = { "set \(group):\(key) of \(bytes.count) bytes" }
        try withSlice(group.bytes) { group throws(GoferBrokeError) in
            try withSlice(key.bytes) { key throws(GoferBrokeError) in
                try withSlice(bytes) { value throws(GoferBrokeError) in
                    let err = gb_engine_set(self.engine, now, lane.rawValue, group, key, type.rawValue, value, time)
                    try GoferBrokeError.check(err, operation())
                }
            }
        }
    }

    package func delete(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel, now: UInt64) throws(GoferBrokeError) {
        let operation = { "delete \(group):\(key)" }
        try withSlice(group.bytes) { group throws(GoferBrokeError) in
            try withSlice(key.bytes) { key throws(GoferBrokeError) in
                try GoferBrokeError.check(gb_engine_delete(self.engine, now, lane.rawValue, group, key), operation())
            }
        }
    }

    /// Carries out what the detector decided.
    package func act(_ actions: [DetectorAction], now: UInt64) {
        for action in actions {
            let parts = action.parts
            var (target, helper) = (parts.target, parts.helper)
            target.withUTF8 { target in
                helper.withUTF8 { helper in
                    var c = parts.action
                    c.name = gb_slice(base: target.baseAddress, len: target.count)
                    c.helper = gb_slice(base: helper.baseAddress, len: helper.count)
                    gb_engine_act(self.engine, now, &c)
                }
            }
        }
    }

    // MARK: Effects out

    /// Turns what has changed since the last flush into effects. False: there were none.
    package func flush(now: UInt64, into driver: any EngineDriver) -> Bool {
        gb_engine_flush(self.engine, now)
        var effect = gb_effect()
        var wasAny = false
        while gb_engine_effect_next(self.engine, &effect) {
            wasAny = true
            switch Int(effect.kind) {
            case GB_EFFECT_SEND:
                let bytes = UnsafeRawBufferPointer(start: effect.buffer.base, count: effect.buffer.len)
                driver.engineSends(bytes, on: effect.link)
                gb_engine_recycle(self.engine, &effect.buffer)
            case GB_EFFECT_DIAL:
                let endpoint = Endpoint(host: effect.host.text, port: effect.port)
                driver.engineDials(endpoint, timeout: effect.timeout_us, link: effect.link)
            case GB_EFFECT_CLOSE:
                driver.engineCloses(effect.link)
            default:
                if let event = effect.event, let copy = NodeEvent(event.pointee, watcher: driver) {
                    driver.engineNotifies(copy)
                }
            }
        }
        return wasAny
    }

    // MARK: Looking

    package var statistics: NodeStatistics {
        var stats = gb_engine_stats()
        gb_engine_read_stats(self.engine, &stats)
        return NodeStatistics(stats)
    }

    /// All members, self included.
    package var members: [Member] {
        var members: [Member] = []
        var member = gb_member()
        var position: UInt32 = 0
        while gb_engine_member_at(self.engine, position, &member) {
            members.append(Member(member))
            position += 1
        }
        return members
    }

    package func member(_ name: String) -> Member? {
        var member = gb_member()
        var name = name
        let isKnown = name.withUTF8 { gb_engine_member(self.engine, gb_slice(base: $0.baseAddress, len: $0.count), &member) }
        return isKnown ? Member(member) : nil
    }

    /// Grows with each change of the map.
    package var changeNumber: UInt64 {
        gb_engine_change_no(self.engine)
    }

    /// A hash of all that is known: equal on nodes that know the same.
    package var mapHash: UInt64 {
        gb_engine_map_hash(self.engine)
    }

    /// Aborts with a sentence where an invariant of the core is broken.
    package func check() {
        gb_engine_check(self.engine)
    }

    /// Participants that changed here after change number `number` (0: all), the latest first.
    package func participants(changedAfter number: UInt64) -> [KnownParticipant] {
        var found: [KnownParticipant] = []
        withUnsafeMutablePointer(to: &found) { found in
            gb_engine_visit_known(
                self.engine,
                number,
                { user, known in
                    guard let found = user?.assumingMemoryBound(to: [KnownParticipant].self), let known else { return false }
                    found.pointee.append(KnownParticipant(known.pointee))
                    return true
                },
                found
            )
        }
        return found
    }

    /// Records of a lane above a version, in version order, tombstones included; empty where the participant is not known.
    package func records(of participant: String, lane: DeltaLane, after version: UInt64) -> [KnownRecord] {
        var found: [KnownRecord] = []
        var participant = participant
        participant.withUTF8 { name in
            withUnsafeMutablePointer(to: &found) { found in
                _ = gb_engine_visit_records(
                    self.engine,
                    gb_slice(base: name.baseAddress, len: name.count),
                    lane.rawValue,
                    version,
                    { user, delta, digest in
                        guard let found = user?.assumingMemoryBound(to: [KnownRecord].self), let delta else { return false }
                        found.pointee.append(KnownRecord(delta.pointee, digest: digest))
                        return true
                    },
                    found
                )
            }
        }
        return found
    }

    /// Live deltas of a participant's lane, in version order; nil where it is not known.
    package func deltas(of participant: String, lane: DeltaLane) -> [Delta]? {
        guard let generation = self.generation(of: participant) else { return nil }
        var listing = Listing(participant: participant, generation: generation, lane: lane)
        var name = participant
        name.withUTF8 { name in
            withUnsafeMutablePointer(to: &listing) { listing in
                _ = gb_engine_visit_records(
                    self.engine,
                    gb_slice(base: name.baseAddress, len: name.count),
                    lane.rawValue,
                    0,
                    { user, delta, _ in
                        guard let listing = user?.assumingMemoryBound(to: Listing.self), let delta else { return false }
                        listing.pointee.append(delta.pointee)
                        return true
                    },
                    listing
                )
            }
        }
        return listing.deltas
    }

    /// A participant's delta; nil where it is not there.
    package func delta(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel, from participant: String) -> Delta? {
        guard let generation = self.generation(of: participant) else { return nil }
        var view = gb_delta()
        let err = try? withSlice(participant.slice) { name throws(GoferBrokeError) in
            try withSlice(group.bytes) { group throws(GoferBrokeError) in
                try withSlice(key.bytes) { key throws(GoferBrokeError) in
                    gb_engine_value(self.engine, name, lane.rawValue, group, key, &view)
                }
            }
        }
        return err == GB_OK ? Delta(view, participant: participant, generation: generation, lane: lane) : nil
    }

    private func generation(of participant: String) -> UInt64? {
        var known: UInt64 = 0
        var name = participant
        let err = name.withUTF8 { gb_engine_generation(self.engine, gb_slice(base: $0.baseAddress, len: $0.count), &known) }
        return err == GB_OK ? known : nil
    }

    private struct Listing {
        let participant: String
        let generation: UInt64
        let lane: DeltaLane
        var deltas: [Delta] = []

        mutating func append(_ view: gb_delta) {
            guard view.type != GB_VALUE_TOMBSTONE else { return }
            self.deltas.append(Delta(view, participant: self.participant, generation: self.generation, lane: self.lane))
        }
    }
}

extension KnownParticipant {
    init(_ known: gb_known) {
        self.name = known.name.text
        self.generation = known.generation
        self.isSelf = known.is_self
        let (version, floor) = (known.version, known.floor)
        self.versions = SIMD4(version.0, version.1, version.2, version.3)
        self.floors = SIMD4(floor.0, floor.1, floor.2, floor.3)
    }
}

extension KnownRecord {
    init(_ delta: gb_delta, digest: UInt64) {
        self.version = delta.version
        self.isTombstone = delta.type == GB_VALUE_TOMBSTONE
        self.valueDigest = digest
        // The length of the group keeps ("ab", "c") and ("a", "bc") apart.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(delta.group.len)
        for slice in [delta.group, delta.key] {
            for byte in UnsafeBufferPointer(start: slice.base, count: slice.len) {
                hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
            }
        }
        self.keyDigest = hash
    }
}

extension CStringPool {
    /// The endpoints for C; lent as long as the pool lives.
    fileprivate func addresses(_ endpoints: [Endpoint], of what: String) throws(GoferBrokeError) -> [gb_address] {
        var list: [gb_address] = []
        for endpoint in endpoints {
            let host = gb_slice_from_str(try self.copy(endpoint.host, of: what))
            list.append(gb_address(scope: UInt8(GB_SCOPE_PRIVATE), host: host, port: endpoint.port))
        }
        return list
    }
}
