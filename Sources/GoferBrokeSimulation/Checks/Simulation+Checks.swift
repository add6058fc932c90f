// SPDX-License-Identifier: Apache-2.0
// Compares what nodes hold with the truth, as it changes. docs/ALGORITHM.md states the rules S1 to S4.

internal import GoferBroke

/// What a node was last seen to know of an owner.
struct SeenKnowledge {
    var generation: UInt64
    var versions: SIMD4<UInt64>
    var floors: SIMD4<UInt64>
    /// Versions that a later piece of a lane was to bring when that lane was last compared whole.
    var coming: [DeltaLane: Set<UInt64>] = [:]
}

/// A life that a node has forgotten.
struct Grave {
    var generation: UInt64
    var incarnation: UInt64
    /// By the node's own clock.
    var time: UInt64

    init(_ member: GoferBroke.Member, at time: UInt64) {
        (self.generation, self.incarnation, self.time) = (member.generation, member.incarnation, time)
    }
}

extension Simulation {
    /// A lane with at most so many records is compared whole; of a longer one what is new, and the number of keys.
    static let wholeLaneSize = 64

    /// After a turn: what changed in the node's map. Its own deeds are the truth; those of others must agree with it.
    func check(_ place: NodePlace, _ engine: EngineHandle) {
        guard self.options.checks == .everyTurn else { return }
        let number = engine.changeNumber
        guard number != place.checkedNumber else { return }
        let changed = engine.participants(changedAfter: place.checkedNumber)
        place.checkedNumber = number
        for known in changed where known.isSelf {
            self.history.note(known, engine)
        }
        for known in changed where !known.isSelf {
            self.check(known, at: place, engine)
        }
    }

    private func check(_ known: KnownParticipant, at place: NodePlace, _ engine: EngineHandle) {
        let before = place.seen[known.name]
        let isSameLife = before?.generation == known.generation
        place.seen[known.name] = SeenKnowledge(
            generation: known.generation,
            versions: known.versions,
            floors: known.floors,
            coming: isSameLife ? before?.coming ?? [:] : [:]
        )
        if let before {
            if known.generation < before.generation {
                self.violate(.monotony, at: place, "\(known.name) fell from generation \(before.generation) to \(known.generation)")
                return
            }
            for lane in 0..<4 where known.generation == before.generation && known.versions[lane] < before.versions[lane] {
                self.violate(
                    .monotony,
                    at: place,
                    "\(known.name) lane \(lane) fell from \(before.versions[lane]) to \(known.versions[lane])"
                )
                return
            }
        }
        let old = isSameLife ? before : nil
        guard let life = self.history.life(of: known.name, generation: known.generation) else {
            if known.versions != .zero {
                self.violate(.forgery, at: place, "\(known.name) never had generation \(known.generation)")
            }
            return
        }
        for lane in DeltaLane.allCases {
            let number = Int(lane.rawValue)
            guard known.versions[number] != old?.versions[number] ?? 0 || known.floors[number] != old?.floors[number] ?? 0 else {
                continue
            }
            self.checkLane(lane, of: known, life.lanes[number], old, at: place, engine)
        }
    }

    private func checkLane(
        _ lane: DeltaLane,
        of known: KnownParticipant,
        _ truth: LaneHistory,
        _ old: SeenKnowledge?,
        at place: NodePlace,
        _ engine: EngineHandle
    ) {
        let number = Int(lane.rawValue)
        let version = known.versions[number]
        guard version > 0 else { return }
        let subject = "\(known.name)@\(known.generation) \(lane) up to \(version)"
        guard version <= truth.version else {
            self.violate(.forgery, at: place, "\(subject), but its owner had only \(truth.version)")
            return
        }
        let floorMoved = known.floors[number] != old?.floors[number] ?? 0
        let live = Int(truth.deeds[Int(version - 1)].liveCount)
        let isWhole = floorMoved || old == nil || live <= Self.wholeLaneSize
        let records = engine.records(of: known.name, lane: lane, after: isWhole ? 0 : (old?.versions[number] ?? 0))
        var liveHere = 0
        var stale: Set<UInt64> = []
        var outdated: Set<UInt64> = []
        var isPlain = old?.coming[lane] == nil
        for record in records {
            guard record.version <= version, record.version > 0 else {
                self.violate(.scuttlebutt, at: place, "\(subject): a record of version \(record.version)")
                return
            }
            let deed = truth.deeds[Int(record.version - 1)]
            guard deed.keyDigest == record.keyDigest, deed.isTombstone == record.isTombstone, deed.valueDigest == record.valueDigest
            else {
                self.violate(.scuttlebutt, at: place, "\(subject): version \(record.version) is not what its owner wrote")
                return
            }
            if deed.nextVersion <= version,
                record.version <= old?.versions[number] ?? 0 || truth.oldInBetween.contains(record.version),
                let inForce = truth.inForce(at: version, from: deed), inForce.nextVersion <= truth.version
            {
                // It was here before, or at a sender that waited for a later piece, which has a later one still.
                // A tombstone may go meanwhile: its key is missing as if it were gone already.
                isPlain = false
                outdated.insert(record.version)
                if !record.isTombstone {
                    stale.insert(record.keyDigest)
                    liveHere += inForce.isTombstone ? 0 : 1
                }
                continue
            }
            guard deed.nextVersion > version else {
                let isBack = truth.deeds[Int(deed.nextVersion - 1)].isTombstone
                let text = "\(subject): version \(record.version) was followed by \(deed.nextVersion) of the same key"
                self.violate(isBack ? .resurrection : .scuttlebutt, at: place, text)
                return
            }
            liveHere += record.isTombstone ? 0 : 1
        }
        guard isWhole else { return }
        let before = old?.versions[number] ?? 0
        let coming =
            isPlain && liveHere == live
            ? [] : self.comingLater(records, except: stale, version: version, before: before, old?.coming[lane] ?? [], truth)
        place.seen[known.name]?.coming[lane] = coming.isEmpty ? nil : coming
        if !coming.isEmpty || !outdated.isEmpty {
            self.history.noteBetween(missing: coming, old: outdated, of: known, in: lane)
        }
        if coming.count != live - liveHere {
            self.tellLane(subject, records, version: version, old?.versions[number] ?? 0, truth)
            self.violate(liveHere > live ? .resurrection : .scuttlebutt, at: place, "\(subject): \(liveHere) keys, its owner had \(live)")
        }
    }

    /// What the owner had at that version, and what is here.
    private func tellLane(_ subject: String, _ records: [KnownRecord], version: UInt64, _ before: UInt64, _ truth: LaneHistory) {
        guard self.trace != nil else { return }
        let here = Set(records.map(\.version))
        self.tell { "  \(subject), before \(before); its owner has \(truth.version)" }
        for number in 1...version {
            let deed = truth.deeds[Int(number - 1)]
            guard here.contains(number) || !deed.isTombstone && deed.keyDigest != 0 && deed.nextVersion > version else { continue }
            let next = deed.nextVersion == .max ? "none" : "\(deed.nextVersion)"
            let isMissed = truth.missedInBetween.contains(number)
            self.tell {
                "  \(number)\(here.contains(number) ? " here" : "")\(deed.isTombstone ? " deleted" : ""), next \(next)\(isMissed ? ", missed elsewhere" : "")"
            }
        }
    }

    /// The records that counted at `version`, are missing here, and were followed by a later version, which a later piece of the lane
    /// brings: a sender that has the later one no longer has what it followed. What was here `before` does not vanish meanwhile.
    private func comingLater(
        _ records: [KnownRecord],
        except stale: Set<UInt64>,
        version: UInt64,
        before: UInt64,
        _ missedBefore: Set<UInt64>,
        _ truth: LaneHistory
    ) -> Set<UInt64> {
        let here = Set(records.map(\.version))
        // Who begins anew from a node that waits for a later piece misses what that one misses.
        var candidates = truth.missedInBetween.union(missedBefore)
        if before < version {
            candidates.formUnion(before + 1...version)
        }
        return candidates.filter { number in
            guard number <= version else { return false }
            let deed = truth.deeds[Int(number - 1)]
            return !here.contains(number) && !deed.isTombstone && !stale.contains(deed.keyDigest) && deed.nextVersion > version
                && deed.nextVersion <= truth.version
        }
    }

    /// A life that was forgotten is taken up again only when it answers itself, or has refuted: while its grave lasts, third parties can't
    /// bring it back.
    func checkGhost(_ member: GoferBroke.Member, at place: NodePlace) {
        guard self.options.checks == .everyTurn, let grave = place.forgotten[member.name], grave.generation == member.generation,
            grave.incarnation >= member.incarnation,
            let slot = self.placeByName[member.name]
        else { return }
        let target = self.places[Int(slot)]
        let retention = UInt64(self.options.cluster.deadMemberRetention.positiveMicros)
        guard !target.isRunning || target.generation != member.generation, place.clock(self.now) < grave.time + retention else { return }
        self.violate(
            .ghost,
            at: place,
            "\(member.name)@\(member.generation) is back, forgotten \((place.clock(self.now) - grave.time) / 1_000) ms ago"
        )
    }

    /// Who stood still for long enough, with well nodes around it, is suspected by somebody, whatever still accepts its connections.
    func checkNoticed(_ place: NodePlace, frozenFor time: UInt64) {
        let since = self.now > Self.noticeTime ? self.now - Self.noticeTime : 0
        guard self.options.checks == .everyTurn, time >= Self.noticeTime, self.deaths.epochs.last.map({ $0.from < since }) ?? true else {
            return
        }
        let around = self.running.filter {
            $0 !== place && $0.isJoined && self.isWell($0, since: since) && self.paths.isOpen(place.slot, $0.slot)
        }
        let knowing = around.compactMap { $0.engine?.member(place.name) }.filter { $0.generation == place.generation }
        guard knowing.count >= 3, knowing.allSatisfy({ $0.status == .alive }) else { return }
        self.violate(.unnoticed, at: place, "stood still for \(time / 1_000) ms, and nobody of \(knowing.count) suspects it")
    }

    /// Longer than detection takes by far, also for those who doubt themselves.
    static var noticeTime: UInt64 { 15_000_000 }

    func violate(_ kind: Violation.Kind, at place: NodePlace, _ text: String) {
        self.violate(Violation(kind: kind, observer: place.name, text: text))
    }
}
