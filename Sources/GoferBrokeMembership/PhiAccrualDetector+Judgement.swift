// SPDX-License-Identifier: Apache-2.0
// Component, judges, and the one place that declares a node dead.

extension PhiAccrualDetector {
    // MARK: - Component

    func isInComponent(_ slot: Int32) -> Bool {
        if self.isEverybodyInComponent {
            return self.records[Int(slot)].isLive
        }
        return Int(slot) < self.inComponent.count && self.inComponent[Int(slot)]
    }

    /// Self, and every live member that somebody in the component watches without accusing it.
    ///
    /// Watching is: over a ring edge among the live; for self also over a link; and whoever reached it by a probe lately.
    mutating func computeComponent() {
        self.isComponentStale = false
        self.componentEpoch += 1
        self.opinions.removeAll(keepingCapacity: true)
        // Accusations that count make a live member suspect; those of the dead cut nobody off.
        self.isEverybodyInComponent = self.suspects.isEmpty
        if self.isEverybodyInComponent {
            self.inComponent = []
            self.componentRings = RingSet()
            self.ringEdges = []
        } else {
            self.spreadComponent()
        }
        self.collectOpinions()
    }

    private mutating func spreadComponent() {
        let bystanderEdges = self.edgesToBystanders()
        let reachedEdges = self.edgesByReachability()
        let isMesh = self.liveRings.count <= RingPlacement.meshLimit
        let everybody = isMesh ? self.liveRings.rings[0].map(\.slot) : []
        let width = 2 * RingPlacement.ringCount
        if !isMesh, self.ringEdges.isEmpty {
            self.ringEdges = self.liveRings.edges(slotCount: self.records.count)
        }
        self.inComponent = Array(repeating: false, count: self.records.count)
        self.inComponent[Int(self.selfSlot)] = true
        var frontier: [Int32] = [self.selfSlot]
        var next = 0
        while next < frontier.count {
            let watcher = frontier[next]
            next += 1
            // Who has no detector watches nobody.
            guard self.records[Int(watcher)].hasDetector else { continue }
            for slot in everybody {
                self.admit(slot, watchedBy: watcher, into: &frontier)
            }
            for edge in isMesh ? 0..<0 : Int(watcher) * width..<(Int(watcher) + 1) * width {
                self.admit(self.ringEdges[edge], watchedBy: watcher, into: &frontier)
            }
            for slot in bystanderEdges[watcher] ?? [] {
                self.admit(slot, watchedBy: watcher, into: &frontier)
            }
            for slot in reachedEdges[watcher] ?? [] {
                self.admit(slot, watchedBy: watcher, into: &frontier)
            }
            if watcher == self.selfSlot {
                for slot in self.linked.items {
                    self.admit(slot, watchedBy: watcher, into: &frontier)
                }
            }
        }
        let members = self.inComponent
        let isWhole = self.liveRings.rings[0].allSatisfy { members[Int($0.slot)] }
        self.componentRings = isWhole ? self.liveRings : self.liveRings.filtered { members[Int($0)] }
    }

    private mutating func admit(_ slot: Int32, watchedBy watcher: Int32, into frontier: inout [Int32]) {
        guard slot >= 0, !self.inComponent[Int(slot)], self.records[Int(slot)].isLive else { return }
        if let detail = self.detail(slot) {
            for accusation in self.details[detail].standing where accusation.accuser == watcher {
                if self.counts(accusation, against: slot) {
                    return
                }
            }
        }
        self.inComponent[Int(slot)] = true
        frontier.append(slot)
    }

    private func edgesToBystanders() -> [Int32: [Int32]] {
        var edges: [Int32: [Int32]] = [:]
        for slot in self.bystanders.items {
            for watcher in self.liveRings.neighbors(of: slot, names: self.names) {
                edges[watcher, default: []].append(slot)
            }
        }
        return edges
    }

    private func edgesByReachability() -> [Int32: [Int32]] {
        var edges: [Int32: [Int32]] = [:]
        for slot in self.reached.items {
            guard let detail = self.detail(slot) else { continue }
            if self.details[detail].ownFactAt != nil {
                edges[self.selfSlot, default: []].append(slot)
            }
            if let fact = self.details[detail].helperFact {
                edges[fact.helper, default: []].append(slot)
            }
        }
        return edges
    }

    /// The neighbours of a member in the rings of our component and itself.
    func computeJudges(of slot: Int32) -> [Int32] {
        let rings = self.isEverybodyInComponent ? self.liveRings : self.componentRings
        return rings.neighbors(of: slot, names: self.names)
    }

    mutating func judges(of slot: Int32) -> [Int32] {
        let detail = self.ensureDetail(slot)
        if self.details[detail].judgesEpoch != self.componentEpoch {
            self.details[detail].judges = self.computeJudges(of: slot)
            self.details[detail].judgesEpoch = self.componentEpoch
        }
        return self.details[detail].judges
    }

    func isOursToWatch(_ slot: Int32) -> Bool {
        self.liveRings.neighbors(of: slot, names: self.names).contains(self.selfSlot)
    }

    // MARK: - Opinions we owe

    /// Who is ours to judge: outsiders before they are judged, suspects that others accuse, dead whose accusers may go away.
    private mutating func collectOpinions() {
        self.opinionRound += 1
        if !self.isEverybodyInComponent {
            for slot in self.records.indices where self.records[slot].status == .alive && self.records[slot].isUsed {
                if !self.inComponent[slot] {
                    self.addOpinion(Int32(slot))
                }
            }
        }
        for slot in self.suspects.items {
            self.addOpinion(slot)
        }
        for slot in self.deceased.items {
            self.addOpinion(slot)
        }
    }

    private mutating func addOpinion(_ slot: Int32) {
        guard !self.accusedByUs.contains(slot), self.judges(of: slot).contains(self.selfSlot) else { return }
        self.opinions.append(slot)
        let detail = self.ensureDetail(slot)
        if self.details[detail].opinionRound + 1 != self.opinionRound {
            // Newly ours: dialled at once, however long ago the last check was to be repeated.
            self.hastenCheck(detail)
        }
        self.details[detail].opinionRound = self.opinionRound
    }

    mutating func formOpinions(now: DetectorTime) {
        for slot in self.opinions {
            self.considerOpinion(slot, now: now)
        }
    }

    /// Dials a member that is ours to judge, unless we know already or asked a moment ago.
    mutating func considerOpinion(_ slot: Int32, now: DetectorTime) {
        guard !self.accusedByUs.contains(slot), !self.held.contains(slot) else { return }
        let record = self.records[Int(slot)]
        let detail = self.ensureDetail(slot)
        guard self.details[detail].check == nil, now >= self.details[detail].nextCheckAt else { return }
        switch record.status {
        case .alive:
            if !self.isInComponent(slot) {
                self.requestCheck(slot, .outsider)
            }
        case .suspect:
            // Of a node that can't be dialled its link alone tells: a failed dial would say nothing.
            if self.details[detail].isLinked, !record.isDiallable, self.phi(slot, at: now) < self.settings.phiThreshold {
                return
            }
            if now.micros(since: record.lastLife) > self.timing.probeTimeout || !self.details[detail].isLinked {
                self.requestCheck(slot, .judging)
            }
        case .dead:
            if !self.details[detail].isLinked {
                self.requestCheck(slot, .unconfirmed)
            }
        case .left:
            return
        }
    }

    // MARK: - Judgement

    /// Suspects whose time may have come; all of them after anything that judges depend on changed.
    mutating func judgeSuspects(now: DetectorTime, isChanged: Bool) {
        if isChanged {
            // An accusation begins to count when its accuser's new life becomes known.
            for slot in self.accused.items where self.records[Int(slot)].status == .alive {
                self.judge(slot, now: now)
            }
        }
        for slot in self.suspects.items {
            let detail = self.ensureDetail(slot)
            let waited = now.micros(since: self.details[detail].suspectSince)
            // Before its time may have come, since a last look takes some of it.
            if isChanged || waited >= self.timing.suspicionMinimum / 2 {
                self.judge(slot, now: now)
            }
        }
    }

    /// Brings the status of a live member in line with the accusations that count.
    mutating func judge(_ slot: Int32, now: DetectorTime) {
        guard self.records[Int(slot)].isLive, slot != self.selfSlot else { return }
        let accusers = self.countingAccusations(of: slot)
        if accusers.isEmpty {
            if self.records[Int(slot)].status == .suspect {
                self.declareAlive(slot, now: now)
            }
            return
        }
        if self.records[Int(slot)].status == .alive {
            let detail = self.ensureDetail(slot)
            self.details[detail].suspectSince = now
            self.details[detail].majority = nil
            self.declareSuspect(slot, now: now)
        }
        if self.isProvedCrashed(slot, accusers, now: now) {
            return
        }
        // Judges follow from the component; while that is out of date the next tick decides.
        guard !self.isComponentStale, !self.isHolding else { return }
        let judges = self.judges(of: slot)
        let accusing = accusers.filter { judges.contains($0.accuser) }
        if self.details[self.ensureDetail(slot)].toldJudges.isEmpty {
            self.nameJudges(slot, judges, now: now)
        }
        let detail = self.ensureDetail(slot)
        guard accusing.count * 2 > judges.count else {
            self.details[detail].majority = nil
            return
        }
        let majority =
            self.details[detail].majority
            ?? Majority(since: now, isSudden: self.isSudden(accusing, since: self.details[detail].suspectSince, now: now))
        self.details[detail].majority = majority
        let isOthersWord = !self.accusedByUs.contains(slot) && !accusing.contains { $0.reason == .crashed }
        // Those who are linked to it and were right have had no answer to a dial by now, and accuse it too.
        let isHeardHere = self.details[detail].isLinked && !self.details[detail].isInPhiAlarm
        let needsLook = isOthersWord && (majority.isSudden || isHeardHere || self.isUnsettled(accusing, judges, now: now))
        // It was told of its accusers when it answered, and has the longest time to refute them.
        let hasAnswered = needsLook && self.details[detail].ownFactAt.map { $0 >= majority.since } ?? false
        let least = hasAnswered ? self.timing.suspicionMaximum : self.timing.suspicionMinimum / 2
        let standing = max(least, min(Self.refutationTrips * self.slowestTrip, self.timing.suspicionMaximum))
        let needed = self.stretched(self.suspicionTime(accusing: accusing.count, judges: judges.count))
        let due = max(self.details[detail].suspectSince.advanced(by: needed), majority.since.advanced(by: standing))
        if needsLook, !hasAnswered, !self.hasLookedInVain(slot, majority, due: due, now: now) {
            return
        }
        if now >= due {
            self.nameJudges(slot, judges, now: now)
            let reason: DeathReason = judges.count == 1 ? .soleJudge : .majority
            self.declareDead(slot, reason: reason, accusing: accusing.count, judges: judges.count, now: now)
        }
    }

    /// Whether a member came back from suspicion or death lately, or it is suspects who make the majority: parts of the cluster may
    /// just have parted or found each other, and what they say of third parties may be as old as their separation.
    private func isUnsettled(_ accusing: [StandingAccusation], _ judges: [Int32], now: DetectorTime) -> Bool {
        let trusted = accusing.count { self.records[Int($0.accuser)].status == .alive }
        guard trusted * 2 > judges.count, let last = self.lastReprieve else { return trusted * 2 <= judges.count }
        return now.micros(since: last) < self.timing.suspicionMaximum
    }

    /// Whether dials of ours failed shortly before the sentence; where none did, and the sentence is near, they are asked for.
    private mutating func hasLookedInVain(_ slot: Int32, _ majority: Majority, due: DetectorTime, now: DetectorTime) -> Bool {
        let detail = self.ensureDetail(slot)
        let lead = self.stretched(self.probeTimeout(slot, .lastLook) + self.timing.probeTimeout)
        let start = max(majority.since, due.advanced(by: -lead))
        if let at = self.details[detail].vainLookAt, at >= start {
            return true
        }
        if now >= start, !self.held.contains(slot) {
            self.requestCheck(slot, .lastLook)
        }
        return false
    }

    /// Round trips that a refutation has time for, of the slowest that were seen lately: where packets are lost, words take seconds.
    static var refutationTrips: Int64 { 8 }

    /// A majority that was there at one stroke: the alarms of several judges are apart from each other, and judges who dial on another's
    /// word take `ProbeTimeout` for that, but where a host refuses.
    ///
    /// After a split has healed, the other side's accusations arrive all at once, and old. However long they have stood there, the
    /// accused hears of them only now, and must have the time to refute: where it is others' word alone, a last look finds out.
    private func isSudden(_ accusing: [StandingAccusation], since begin: DetectorTime, now: DetectorTime) -> Bool {
        let last = accusing.map(\.since).max() ?? now
        return accusing.count > 1 && last.micros(since: begin) < self.timing.probeTimeout / 15
    }

    /// Puts who decides into the story, unless it says so already.
    private mutating func nameJudges(_ slot: Int32, _ judges: [Int32], now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        guard self.details[detail].toldJudges != judges else { return }
        self.details[detail].toldJudges = judges
        self.tell(slot, .judges(judges.map { self.names[Int($0)] }), now: now)
    }

    /// Reset and refused at a majority of all judges that are not dead: proof, whatever the component.
    private mutating func isProvedCrashed(_ slot: Int32, _ accusers: [StandingAccusation], now: DetectorTime) -> Bool {
        guard accusers.contains(where: { $0.reason == .crashed }) else { return false }
        let judges = self.liveRings.neighbors(of: slot, names: self.names)
        let crashed = accusers.count { $0.reason == .crashed && judges.contains($0.accuser) }
        guard crashed * 2 > judges.count else { return false }
        self.declareDead(slot, reason: .crashed, accusing: crashed, judges: judges.count, now: now)
        return true
    }

    /// Evidence of life of a suspect or dead member: the dead come back unless the judges' majority still stands, which only
    /// their own refutation or retraction ends.
    mutating func reconsider(_ slot: Int32, now: DetectorTime) {
        guard self.records[Int(slot)].status == .dead else {
            self.judge(slot, now: now)
            return
        }
        if self.isComponentStale {
            self.computeComponent()
        }
        let accusers = self.countingAccusations(of: slot)
        let judges = self.judges(of: slot)
        let accusing = accusers.count { judges.contains($0.accuser) }
        if accusing * 2 > judges.count {
            return
        }
        if accusers.isEmpty {
            self.declareAlive(slot, now: now)
        } else {
            let detail = self.ensureDetail(slot)
            self.details[detail].suspectSince = now
            self.noteRevival(from: .dead)
            self.declareSuspect(slot, now: now)
        }
    }

    mutating func noteRevival(from before: MemberStatus) {
        self.statistics.deathsTakenBack += before == .dead ? 1 : 0
    }

    func countingAccusations(of slot: Int32) -> [StandingAccusation] {
        guard let detail = self.detail(slot) else { return [] }
        return self.details[detail].standing.filter { self.counts($0, against: slot) }
    }

    /// Lifeguard: from the maximum, when one judge accuses, to the minimum, shrinking with the logarithm of the confirmations. A
    /// single judge has nobody to confirm it and waits the maximum.
    func suspicionTime(accusing: Int, judges: Int) -> Int64 {
        let expected = min(self.settings.suspicionConfirmations, judges - 1)
        guard expected > 0 else { return self.timing.suspicionMaximum }
        let confirmations = min(max(accusing - 1, 0), expected)
        let share = Mathematics.ln(Double(confirmations + 1)) / Mathematics.ln(Double(expected + 1))
        let span = Double(self.timing.suspicionMaximum - self.timing.suspicionMinimum)
        return self.timing.suspicionMaximum - Int64(span * min(share, 1))
    }

    // MARK: - Declarations

    private mutating func declareSuspect(_ slot: Int32, now: DetectorTime) {
        self.setStatus(slot, .suspect)
        self.statistics.suspicions += 1
        self.details[self.ensureDetail(slot)].toldJudges = []
        self.tell(slot, .suspected, now: now)
        let record = self.records[Int(slot)]
        self.actions.append(
            .declareSuspect(target: self.names[Int(slot)], generation: record.generation, incarnation: record.incarnation)
        )
    }

    private mutating func declareAlive(_ slot: Int32, now: DetectorTime) {
        self.noteRevival(from: self.records[Int(slot)].status)
        self.setStatus(slot, .alive)
        let detail = self.ensureDetail(slot)
        self.details[detail].backoff = 0
        self.tell(slot, .declaredAlive, now: now)
        let record = self.records[Int(slot)]
        self.actions.append(
            .declareAlive(target: self.names[Int(slot)], generation: record.generation, incarnation: record.incarnation)
        )
    }

    /// The one place where a node is declared dead.
    mutating func declareDead(_ slot: Int32, reason: DeathReason, accusing: Int, judges: Int, now: DetectorTime) {
        let record = self.records[Int(slot)]
        guard record.isLive, slot != self.selfSlot else { return }
        self.cancelCheck(slot)
        self.forgetReachability(slot)
        self.setStatus(slot, .dead)
        self.statistics.deaths += 1
        let detail = self.ensureDetail(slot)
        if let place = self.ownAccusation(detail) {
            self.details[detail].standing[place].hasVerdict = true
        }
        self.tell(slot, .declaredDead(reason, accusing: accusing, judges: judges), now: now)
        self.actions.append(
            .declareDead(
                target: self.names[Int(slot)],
                generation: record.generation,
                incarnation: record.incarnation,
                reason: reason
            )
        )
    }
}
