// SPDX-License-Identifier: Apache-2.0
// What can be asked of the detector.

extension PhiAccrualDetector {
    /// How suspicious the silence of `name` is at `now`; 0 where it is unknown or there is no link to it.
    public func phi(of name: String, at now: DetectorTime) -> Double {
        guard let slot = self.slot(of: name), slot != self.selfSlot else { return 0 }
        return self.phi(slot, at: now)
    }

    /// Everybody known, self excluded, by the bytes of their names.
    public func members(at now: DetectorTime) -> [MemberReport] {
        self.sortedSlots().map { self.report($0, at: now) }
    }

    /// One member; nil where it is unknown or self.
    public func member(_ name: String, at now: DetectorTime) -> MemberReport? {
        guard let slot = self.slot(of: name), slot != self.selfSlot else { return nil }
        return self.report(slot, at: now)
    }

    /// How a member stands; nil where it is unknown or self.
    public func status(of name: String) -> MemberStatus? {
        guard let slot = self.slot(of: name), slot != self.selfSlot else { return nil }
        return self.records[Int(slot)].status
    }

    /// What is remembered of `name`, oldest first; empty where it is unknown.
    public func story(of name: String) -> [StoryEntry] {
        guard let slot = self.slot(of: name), let detail = self.detail(slot) else { return [] }
        var entries = self.details[detail].story.inOrder
        if let heartbeats = self.details[detail].tally.event {
            entries.append(StoryEntry(time: self.clock, event: heartbeats))
        }
        return entries
    }

    /// Who was proved to be reachable, by whom, and when; by the bytes of the targets' names.
    public var reachability: [ReachabilityFact] {
        var facts: [ReachabilityFact] = []
        for slot in self.reached.items.sorted(by: { self.names[Int($0)].precedesByBytes(self.names[Int($1)]) }) {
            guard let detail = self.detail(slot) else { continue }
            let target = self.names[Int(slot)]
            let generation = self.records[Int(slot)].generation
            if let at = self.details[detail].ownFactAt {
                facts.append(ReachabilityFact(observer: nil, target: target, generation: generation, time: at))
            }
            if let fact = self.details[detail].helperFact {
                let observer = self.names[Int(fact.helper)]
                facts.append(ReachabilityFact(observer: observer, target: target, generation: generation, time: fact.at))
            }
        }
        return facts
    }

    /// The names of everybody known, self excluded, by their bytes.
    public var memberNames: [String] {
        self.sortedSlots().map { self.names[Int($0)] }
    }

    /// Every accusation by another member that is remembered, those that don't count now among them, in no particular order.
    public var accusationsOfOthers: [Accusation] {
        var found = self.early
        for slot in self.accused.items {
            guard let detail = self.detail(slot) else { continue }
            for standing in self.details[detail].standing where standing.accuser != self.selfSlot {
                found.append(
                    Accusation(
                        accuser: self.names[Int(standing.accuser)],
                        accuserGeneration: standing.accuserGeneration,
                        target: self.names[Int(slot)],
                        generation: standing.generation,
                        incarnation: standing.incarnation,
                        reason: standing.reason,
                        hasVerdict: standing.hasVerdict
                    )
                )
            }
        }
        return found
    }

    private func sortedSlots() -> [Int32] {
        self.records.indices
            .filter { self.records[$0].isUsed && Int32($0) != self.selfSlot }
            .sorted { self.names[$0].precedesByBytes(self.names[$1]) }
            .map { Int32($0) }
    }

    private func report(_ slot: Int32, at now: DetectorTime) -> MemberReport {
        let record = self.records[Int(slot)]
        return MemberReport(
            name: self.names[Int(slot)],
            generation: record.generation,
            incarnation: record.incarnation,
            status: record.status,
            phi: self.phi(slot, at: now),
            roundTrip: self.detail(slot).flatMap { self.details[$0].roundTrip },
            isLinked: self.linked.contains(slot),
            hasDetector: record.hasDetector,
            isDiallable: record.isDiallable,
            accusers: self.sortedNames(self.countingAccusations(of: slot).map(\.accuser)),
            monitors: self.sortedNames(self.liveRings.neighbors(of: slot, names: self.names)),
            judges: self.sortedNames(self.computeJudges(of: slot))
        )
    }

    private func sortedNames(_ slots: [Int32]) -> [String] {
        slots.map { self.names[Int($0)] }.sorted { $0.precedesByBytes($1) }
    }
}
