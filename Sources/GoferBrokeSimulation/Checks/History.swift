// SPDX-License-Identifier: Apache-2.0
// What owners really did: the truth that all that others hold is compared with.

internal import GoferBroke

/// One version of a lane, as its owner had it.
struct Deed {
    /// 0: superseded before anybody could see it.
    var keyDigest: UInt64 = 0
    var valueDigest: UInt64 = 0
    var isTombstone = false
    /// The next version of the same key; `UInt64.max`: none yet.
    var nextVersion = UInt64.max
    /// Live keys once this version is known.
    var liveCount: Int32 = 0
}

/// A lane of one life of an owner. Version v is `deeds[v - 1]`.
struct LaneHistory {
    var deeds: [Deed] = []
    /// Versions that some node was without while it waited for a later piece, and superseded ones that some node still had.
    var missedInBetween: Set<UInt64> = []
    var oldInBetween: Set<UInt64> = []
    private var lastVersionOfKey: [UInt64: UInt64] = [:]

    var version: UInt64 {
        UInt64(self.deeds.count)
    }

    /// Adds the owner's records after ``version``; `version` is the lane's now.
    mutating func append(_ records: [KnownRecord], upTo version: UInt64) {
        for record in records where record.version > self.version {
            self.fill(upTo: record.version - 1)
            self.append(record)
        }
        self.fill(upTo: version)
    }

    /// What held for a key at `version`, found from an earlier deed of that key.
    func inForce(at version: UInt64, from deed: Deed) -> Deed? {
        var deed = deed
        while deed.nextVersion <= version {
            guard deed.nextVersion > 0, deed.nextVersion <= self.version else { return nil }
            deed = self.deeds[Int(deed.nextVersion - 1)]
        }
        return deed
    }

    private mutating func append(_ record: KnownRecord) {
        let place = record.version
        var live = self.deeds.last?.liveCount ?? 0
        if let before = self.lastVersionOfKey.updateValue(place, forKey: record.keyDigest) {
            self.deeds[Int(before - 1)].nextVersion = place
            live -= self.deeds[Int(before - 1)].isTombstone ? 0 : 1
        }
        live += record.isTombstone ? 0 : 1
        self.deeds.append(
            Deed(
                keyDigest: record.keyDigest,
                valueDigest: record.valueDigest,
                isTombstone: record.isTombstone,
                liveCount: live
            )
        )
    }

    private mutating func fill(upTo version: UInt64) {
        let live = self.deeds.last?.liveCount ?? 0
        while self.version < version {
            self.deeds.append(Deed(liveCount: live))
        }
    }
}

/// One life of an owner.
struct LifeHistory {
    let generation: UInt64
    var lanes: [LaneHistory] = Array(repeating: LaneHistory(), count: 4)
}

/// All lives of all owners.
struct History {
    private var index: [String: Int] = [:]
    /// By owner, in the order in which their names were added.
    var lives: [[LifeHistory]] = []

    mutating func addName(_ name: String) {
        self.index[name] = self.lives.count
        self.lives.append([])
    }

    mutating func begin(_ place: NodePlace) {
        guard let owner = self.index[place.name] else { return }
        self.lives[owner].append(LifeHistory(generation: place.generation))
    }

    /// Writes down what a running node did since the last call.
    mutating func note(_ place: NodePlace, _ engine: EngineHandle) {
        guard let owner = self.index[place.name] else { return }
        guard let known = engine.participants(changedAfter: place.checkedNumber).first(where: { $0.isSelf }) else { return }
        self.note(known, engine, owner: owner)
    }

    /// Writes down what an owner's own map says of it.
    mutating func note(_ known: KnownParticipant, _ engine: EngineHandle) {
        guard let owner = self.index[known.name] else { return }
        self.note(known, engine, owner: owner)
    }

    private mutating func note(_ known: KnownParticipant, _ engine: EngineHandle, owner: Int) {
        var place = self.lives[owner].lastIndex { $0.generation == known.generation }
        if place == nil {
            // It goes on under a greater generation.
            self.lives[owner].append(LifeHistory(generation: known.generation))
            place = self.lives[owner].count - 1
        }
        guard let place else { return }
        for lane in DeltaLane.allCases {
            let number = Int(lane.rawValue)
            let before = self.lives[owner][place].lanes[number].version
            guard known.versions[number] > before else { continue }
            let records = engine.records(of: known.name, lane: lane, after: before)
            self.lives[owner][place].lanes[number].append(records, upTo: known.versions[number])
        }
    }

    mutating func noteBetween(missing: Set<UInt64>, old: Set<UInt64>, of known: KnownParticipant, in lane: DeltaLane) {
        guard let owner = self.index[known.name], let place = self.lives[owner].lastIndex(where: { $0.generation == known.generation })
        else { return }
        self.lives[owner][place].lanes[Int(lane.rawValue)].missedInBetween.formUnion(missing)
        self.lives[owner][place].lanes[Int(lane.rawValue)].oldInBetween.formUnion(old)
    }

    func life(of name: String, generation: UInt64) -> LifeHistory? {
        guard let owner = self.index[name] else { return nil }
        return self.lives[owner].last { $0.generation == generation }
    }
}
