// SPDX-License-Identifier: Apache-2.0
// Accusations: ours and those of others, as they stand in their lanes.

extension PhiAccrualDetector {
    // MARK: - Ours

    /// Publishes our accusation of a live or dead member, or replaces the reason of one that stands by proof of a crash.
    mutating func accuse(_ slot: Int32, reason: AccusationReason, now: DetectorTime) {
        let record = self.records[Int(slot)]
        guard record.isUsed, record.status != .left else { return }
        let detail = self.ensureDetail(slot)
        if let place = self.ownAccusation(detail) {
            guard reason == .crashed, self.details[detail].standing[place].reason != .crashed else { return }
            self.details[detail].standing[place].reason = .crashed
            self.publish(self.details[detail].standing[place], of: slot)
        } else {
            let accusation = StandingAccusation(
                accuser: self.selfSlot,
                accuserGeneration: self.records[Int(self.selfSlot)].generation,
                generation: record.generation,
                incarnation: record.incarnation,
                reason: reason,
                hasVerdict: record.status == .dead,
                since: now
            )
            self.makeRoom(of: slot)
            self.details[detail].standing.append(accusation)
            self.accused.insert(slot)
            self.accusedByUs.insert(slot)
            self.publish(accusation, of: slot)
        }
        self.isComponentStale = true
        self.tell(slot, .accusedByUs(reason), now: now)
        self.judge(slot, now: now)
    }

    /// Takes our accusation back where one stands.
    mutating func withdraw(_ slot: Int32) {
        guard self.accusedByUs.contains(slot) else { return }
        let own = self.selfSlot
        self.removeAccusations(of: slot) { $0.accuser == own }
    }

    mutating func publish(_ accusation: StandingAccusation, of slot: Int32) {
        self.statistics.accusations += 1
        self.actions.append(
            .accuse(
                target: self.names[Int(slot)],
                generation: accusation.generation,
                incarnation: accusation.incarnation,
                reason: accusation.reason
            )
        )
    }

    func ownAccusation(_ detail: Int) -> Int? {
        self.details[detail].standing.firstIndex { $0.accuser == self.selfSlot }
    }

    // MARK: - Those of others

    mutating func noteAccusation(_ accusation: Accusation, now: DetectorTime) {
        guard let slot = self.slot(of: accusation.target), let accuser = self.slot(of: accusation.accuser) else {
            self.keepEarly(accusation)
            return
        }
        guard accuser != self.selfSlot else {
            // Our lane says what we no longer hold (the detector was replaced): take it out.
            if !self.accusedByUs.contains(slot) {
                self.actions.append(.retract(target: accusation.target))
            }
            return
        }
        guard slot != self.selfSlot, accusation.accuserGeneration >= self.records[Int(accuser)].generation else { return }
        var standing = StandingAccusation(
            accuser: accuser,
            accuserGeneration: accusation.accuserGeneration,
            generation: accusation.generation,
            incarnation: accusation.incarnation,
            reason: accusation.reason,
            hasVerdict: accusation.hasVerdict,
            since: now
        )
        guard !self.isStale(standing, of: slot) else { return }
        let detail = self.ensureDetail(slot)
        var isNews = true
        var isNewVerdict = standing.hasVerdict
        if let place = self.details[detail].standing.firstIndex(where: { $0.accuser == accuser }) {
            let old = self.details[detail].standing[place]
            guard old.accuserGeneration <= standing.accuserGeneration else { return }
            isNews =
                old.reason != standing.reason || old.incarnation != standing.incarnation || old.generation != standing.generation
            isNewVerdict = standing.hasVerdict && (isNews || !old.hasVerdict)
            standing.since = isNews ? now : old.since
            self.details[detail].standing[place] = standing
        } else {
            self.makeRoom(of: slot)
            self.details[detail].standing.append(standing)
            self.accused.insert(slot)
        }
        self.isComponentStale = true
        if isNews {
            self.tell(slot, .accused(by: accusation.accuser, reason: accusation.reason), now: now)
        }
        if isNewVerdict {
            self.tell(slot, .verdict(by: accusation.accuser), now: now)
        }
        self.judge(slot, now: now)
        if isNews, self.records[Int(slot)].status == .suspect, self.isOursToWatch(slot) {
            // Another accuser is news, however long ago the last check was to be repeated.
            self.hastenCheck(detail)
            self.considerOpinion(slot, now: now)
        }
    }

    mutating func noteRetraction(accuser: String, target: String, now: DetectorTime) {
        self.early.removeAll {
            $0.accuser.utf8.elementsEqual(accuser.utf8) && $0.target.utf8.elementsEqual(target.utf8)
        }
        guard let slot = self.slot(of: target), let by = self.slot(of: accuser), by != self.selfSlot else { return }
        guard let detail = self.detail(slot) else { return }
        guard let place = self.details[detail].standing.firstIndex(where: { $0.accuser == by }) else { return }
        let isEvidence = self.counts(self.details[detail].standing[place], against: slot)
        self.tell(slot, .retracted(by: accuser), now: now)
        self.removeAccusations(of: slot) { $0.accuser == by }
        guard self.records[Int(slot)].status != .left else { return }
        if isEvidence {
            self.reconsider(slot, now: now)
        } else {
            self.judge(slot, now: now)
        }
    }

    /// Whether an accusation counts: by a live accuser in its present life, of the present life, and of the present incarnation or one
    /// of which we have not heard yet.
    func counts(_ accusation: StandingAccusation, against slot: Int32) -> Bool {
        let target = self.records[Int(slot)]
        guard accusation.generation == target.generation, accusation.incarnation >= target.incarnation else { return false }
        if accusation.accuser == self.selfSlot {
            return true
        }
        let accuser = self.records[Int(accusation.accuser)]
        return accuser.isLive && accuser.generation == accusation.accuserGeneration
    }

    /// Whether an accusation can never count again.
    private func isStale(_ accusation: StandingAccusation, of slot: Int32) -> Bool {
        let target = self.records[Int(slot)]
        return accusation.generation < target.generation
            || (accusation.generation == target.generation && accusation.incarnation < target.incarnation)
    }

    // MARK: - Keeping them

    mutating func dropStaleAccusations(of slot: Int32) {
        let target = self.records[Int(slot)]
        self.removeAccusations(of: slot) {
            $0.generation < target.generation
                || ($0.generation == target.generation && $0.incarnation < target.incarnation)
        }
    }

    mutating func dropStaleAccusations(by accuser: Int32) {
        let generation = self.records[Int(accuser)].generation
        for slot in self.accused.items {
            self.removeAccusations(of: slot) { $0.accuser == accuser && $0.accuserGeneration < generation }
        }
    }

    /// Removes accusations, retracting ours where it is among them. The caller judges the target anew.
    mutating func removeAccusations(
        of slot: Int32,
        isToldToOthers: Bool = true,
        where isRemoved: (StandingAccusation) -> Bool
    ) {
        guard let detail = self.detail(slot) else { return }
        let before = self.details[detail].standing.count
        self.details[detail].standing.removeAll(where: isRemoved)
        guard self.details[detail].standing.count != before else { return }
        self.isComponentStale = true
        if self.accusedByUs.contains(slot), self.ownAccusation(detail) == nil {
            self.accusedByUs.remove(slot)
            if isToldToOthers {
                self.statistics.retractions += 1
                self.actions.append(.retract(target: self.names[Int(slot)]))
            }
        }
        if self.details[detail].standing.isEmpty {
            self.accused.remove(slot)
        }
    }

    /// Makes place for one more accusation: those that do not count go first, then those by nodes that do not judge the target;
    /// judges are fewer than the limit.
    private mutating func makeRoom(of slot: Int32) {
        let detail = self.ensureDetail(slot)
        guard self.details[detail].standing.count >= Self.accusationsPerTarget else { return }
        let monitors = self.liveRings.neighbors(of: slot, names: self.names)
        let standing = self.details[detail].standing
        let others = standing.indices.filter { standing[$0].accuser != self.selfSlot }
        let place =
            others.first { !self.counts(standing[$0], against: slot) }
            ?? others.first {
                !monitors.contains(standing[$0].accuser) && !self.details[detail].judges.contains(standing[$0].accuser)
            }
            ?? others.first
        if let place {
            self.details[detail].standing.remove(at: place)
        }
    }

    /// Accusations may come before the member record of who is named in them.
    private mutating func keepEarly(_ accusation: Accusation) {
        self.early.removeAll {
            $0.accuser.utf8.elementsEqual(accusation.accuser.utf8) && $0.target.utf8.elementsEqual(accusation.target.utf8)
        }
        if self.early.count >= Self.earlyAccusations {
            self.early.removeFirst()
        }
        self.early.append(accusation)
    }

    mutating func adoptEarlyAccusations(now: DetectorTime) {
        guard !self.early.isEmpty else { return }
        var known: [Accusation] = []
        var unknown: [Accusation] = []
        for accusation in self.early {
            if self.slot(of: accusation.target) != nil, self.slot(of: accusation.accuser) != nil {
                known.append(accusation)
            } else {
                unknown.append(accusation)
            }
        }
        guard !known.isEmpty else { return }
        self.early = unknown
        for accusation in known {
            self.noteAccusation(accusation, now: now)
        }
    }
}
