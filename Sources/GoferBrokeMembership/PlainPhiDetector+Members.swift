// SPDX-License-Identifier: Apache-2.0
// The baseline's members: who comes, changes and goes; verdicts; and what can be asked.

extension PlainPhiDetector {
    // MARK: - Members

    mutating func updateSelf(name: String, generation: UInt64) {
        if !name.utf8.elementsEqual(self.name.utf8) {
            self.forgetMember(name)
            self.rings.remove(self.selfSlot, names: self.names)
            self.index[NameKey(self.name)] = nil
            self.names[Int(self.selfSlot)] = name
            self.index[NameKey(name)] = self.selfSlot
            self.rings.insert(self.selfSlot, names: self.names)
            self.areRingsChanged = true
        }
        guard generation != self.generation else { return }
        self.generation = generation
        // A new life starts with an empty lane: what stands must be said again.
        for slot in self.peers.indices {
            if self.peers[slot].isAccusedByUs {
                self.publish(Int32(slot))
            }
        }
    }

    mutating func updateMember(_ member: Member, now: DetectorTime) {
        guard !member.name.utf8.elementsEqual(self.name.utf8) else { return }
        guard let slot = self.slot(of: member.name) else {
            self.addMember(member, now: now)
            return
        }
        let before = self.peers[Int(slot)]
        let (old, new) = ((before.generation, before.incarnation), (member.generation, member.incarnation))
        guard new >= old, before.status != .left || new > old else { return }
        self.peers[Int(slot)].isDiallable = member.isDiallable || (before.isDiallable && new.0 == old.0)
        self.peers[Int(slot)].hasDetector = member.hasDetector
        self.peers[Int(slot)].generation = member.generation
        self.peers[Int(slot)].incarnation = member.incarnation
        if new > old {
            self.renew(slot, isNewLife: new.0 > old.0, now: now)
        }
        if member.hasLeft {
            self.withdraw(slot, now: now)
            self.unwatch(slot)
            self.setStatus(slot, .left)
            self.tell(slot, .left, now: now)
            return
        }
        if new > old, before.status != .alive {
            self.revive(slot, isSameLife: new.0 == old.0, now: now)
        }
        self.syncRings(slot)
        self.takeVerdicts(slot, now: now)
    }

    /// It lives: what was said of it before is over, and the wait for its heartbeat begins anew; a new life's history too.
    private mutating func renew(_ slot: Int32, isNewLife: Bool, now: DetectorTime) {
        let peer = self.peers[Int(slot)]
        self.tell(slot, isNewLife ? .restarted(generation: peer.generation) : .refuted(incarnation: peer.incarnation), now: now)
        self.dropStaleVerdicts(of: slot)
        self.withdraw(slot, now: now)
        if isNewLife {
            self.peers[Int(slot)].isLinked = false
            self.unwatch(slot)
            self.areRingsChanged = true
        }
        self.restartWait(slot, now: now)
    }

    private mutating func restartWait(_ slot: Int32, now: DetectorTime) {
        guard let place = self.watchIndex(of: slot) else { return }
        self.watches[place].since = now
        self.watches[place].isFirst = true
    }

    private mutating func addMember(_ member: Member, now: DetectorTime) {
        let slot = self.freeSlots.popLast() ?? Int32(self.peers.count)
        let peer = Peer(
            generation: member.generation,
            incarnation: member.incarnation,
            isUsed: true,
            hasDetector: member.hasDetector,
            isDiallable: member.isDiallable,
            status: member.hasLeft ? .left : member.isHeldForDead ? .dead : .alive
        )
        if Int(slot) == self.peers.count {
            self.names.append(member.name)
            self.peers.append(peer)
        } else {
            self.names[Int(slot)] = member.name
            self.peers[Int(slot)] = peer
        }
        self.index[NameKey(member.name)] = slot
        self.syncRings(slot)
        let early = self.early
        self.early = []
        for accusation in early {
            self.noteAccusation(accusation, now: now)
        }
    }

    mutating func forgetMember(_ name: String) {
        guard let slot = self.slot(of: name) else { return }
        self.withdraw(slot, now: self.clock)
        self.unwatch(slot)
        self.setStatus(slot, .left)
        self.index[NameKey(name)] = nil
        self.names[Int(slot)] = ""
        self.peers[Int(slot)] = Peer()
        self.freeSlots.append(slot)
        for other in self.peers.indices {
            self.peers[other].verdicts.removeAll { $0.accuser.utf8.elementsEqual(name.utf8) }
        }
        self.early.removeAll { $0.accuser.utf8.elementsEqual(name.utf8) }
    }

    private mutating func setStatus(_ slot: Int32, _ status: MemberStatus) {
        self.peers[Int(slot)].status = status
        self.syncRings(slot)
    }

    /// The rings are those of the live members that have a detector.
    private mutating func syncRings(_ slot: Int32) {
        let peer = self.peers[Int(slot)]
        let belongs = peer.isUsed && peer.status == .alive && peer.hasDetector
        guard belongs != peer.isOnRings else { return }
        self.peers[Int(slot)].isOnRings = belongs
        if belongs {
            self.rings.insert(slot, names: self.names)
        } else {
            self.rings.remove(slot, names: self.names)
        }
        self.areRingsChanged = true
    }

    // MARK: - Verdicts

    /// Our own: phi is over the threshold.
    mutating func bury(_ slot: Int32, now: DetectorTime) {
        self.peers[Int(slot)].isAccusedByUs = true
        self.publish(slot)
        self.tell(slot, .accusedByUs(.silent), now: now)
        self.declareDead(slot, reason: .silent, accusing: 1, now: now)
    }

    private mutating func publish(_ slot: Int32) {
        let peer = self.peers[Int(slot)]
        self.statistics.accusations += 1
        self.actions.append(
            .accuse(
                target: self.names[Int(slot)],
                generation: peer.generation,
                incarnation: peer.incarnation,
                reason: .silent
            )
        )
    }

    private mutating func withdraw(_ slot: Int32, now: DetectorTime) {
        guard self.peers[Int(slot)].isAccusedByUs else { return }
        self.peers[Int(slot)].isAccusedByUs = false
        self.statistics.retractions += 1
        self.actions.append(.retract(target: self.names[Int(slot)]))
        self.tell(slot, .retractedByUs, now: now)
    }

    mutating func noteAccusation(_ accusation: Accusation, now: DetectorTime) {
        let isOurs = accusation.accuser.utf8.elementsEqual(self.name.utf8)
        let target = self.slot(of: accusation.target)
        if isOurs {
            // Our lane says what we no longer hold (the detector was replaced): take it out.
            if let target, !self.peers[Int(target)].isAccusedByUs {
                self.actions.append(.retract(target: accusation.target))
            }
            return
        }
        guard !accusation.target.utf8.elementsEqual(self.name.utf8) else { return }
        guard let target, let accuser = self.slot(of: accusation.accuser) else {
            if accusation.hasVerdict {
                self.early.removeAll { $0.isBetween(accusation.accuser, accusation.target) }
                if self.early.count >= Self.earlyVerdicts {
                    self.early.removeFirst()
                }
                self.early.append(accusation)
            }
            return
        }
        guard accusation.accuserGeneration >= self.peers[Int(accuser)].generation else { return }
        self.peers[Int(target)].verdicts.removeAll { $0.isBetween(accusation.accuser, accusation.target) }
        guard accusation.hasVerdict else { return }
        if self.peers[Int(target)].verdicts.count >= Self.verdictsPerTarget {
            self.peers[Int(target)].verdicts.removeFirst()
        }
        self.peers[Int(target)].verdicts.append(accusation)
        self.dropStaleVerdicts(of: target)
        self.takeVerdicts(target, now: now)
    }

    mutating func noteRetraction(accuser: String, target: String, now: DetectorTime) {
        self.early.removeAll { $0.isBetween(accuser, target) }
        guard let slot = self.slot(of: target) else { return }
        let before = self.peers[Int(slot)].verdicts.count
        self.peers[Int(slot)].verdicts.removeAll { $0.isBetween(accuser, target) }
        let peer = self.peers[Int(slot)]
        guard peer.verdicts.count < before else { return }
        self.tell(slot, .retracted(by: accuser), now: now)
        if peer.status == .dead, !peer.isAccusedByUs, !peer.verdicts.contains(where: { self.counts($0, against: peer) }) {
            self.revive(slot, now: now)
        }
    }

    /// One verdict that counts is enough.
    private mutating func takeVerdicts(_ slot: Int32, now: DetectorTime) {
        let peer = self.peers[Int(slot)]
        guard peer.status == .alive else { return }
        guard let verdict = peer.verdicts.last(where: { self.counts($0, against: peer) }) else { return }
        self.tell(slot, .accused(by: verdict.accuser, reason: verdict.reason), now: now)
        self.declareDead(slot, reason: .told, accusing: 1, now: now)
    }

    /// Whether a verdict counts: by a live accuser in its present life, of the present life and incarnation.
    func counts(_ verdict: Accusation, against peer: Peer) -> Bool {
        guard verdict.generation == peer.generation, verdict.incarnation == peer.incarnation else { return false }
        guard let accuser = self.slot(of: verdict.accuser) else { return false }
        let by = self.peers[Int(accuser)]
        return by.status == .alive && by.generation == verdict.accuserGeneration
    }

    private mutating func dropStaleVerdicts(of slot: Int32) {
        let peer = self.peers[Int(slot)]
        self.peers[Int(slot)].verdicts.removeAll {
            ($0.generation, $0.incarnation) < (peer.generation, peer.incarnation)
        }
    }

    // MARK: - Declarations

    private mutating func declareDead(_ slot: Int32, reason: DeathReason, accusing: Int, now: DetectorTime) {
        self.setStatus(slot, .dead)
        self.statistics.deaths += 1
        self.tell(slot, .declaredDead(reason, accusing: accusing, judges: 1), now: now)
        let peer = self.peers[Int(slot)]
        self.actions.append(
            .declareDead(
                target: self.names[Int(slot)],
                generation: peer.generation,
                incarnation: peer.incarnation,
                reason: reason
            )
        )
    }

    /// It is alive, whoever said what: verdicts of others that stand are overruled until they are said again.
    mutating func revive(_ slot: Int32, isSameLife: Bool = true, now: DetectorTime) {
        self.statistics.deathsTakenBack += isSameLife && self.peers[Int(slot)].status == .dead ? 1 : 0
        self.withdraw(slot, now: now)
        self.peers[Int(slot)].verdicts.removeAll()
        self.setStatus(slot, .alive)
        self.restartWait(slot, now: now)
        self.areRingsChanged = true
        self.tell(slot, .declaredAlive, now: now)
        let peer = self.peers[Int(slot)]
        self.actions.append(
            .declareAlive(target: self.names[Int(slot)], generation: peer.generation, incarnation: peer.incarnation)
        )
    }

    // MARK: - What can be asked

    /// How suspicious the silence of `name` is at `now`; 0 where it is unknown or not monitored.
    public func phi(of name: String, at now: DetectorTime) -> Double {
        guard let slot = self.slot(of: name), let place = self.watchIndex(of: slot) else { return 0 }
        return self.phi(self.watches[place], at: now)
    }

    /// How a member stands: alive, dead or left; nil where it is unknown or self.
    public func status(of name: String) -> MemberStatus? {
        self.slot(of: name).map { self.peers[Int($0)].status }
    }

    /// Everybody known, self excluded, by the bytes of their names.
    public func members(at now: DetectorTime) -> [MemberReport] {
        self.memberNames.compactMap { self.member($0, at: now) }
    }

    /// One member; nil where it is unknown or self. Its accusers are those whose verdict stands, and any of its monitors may judge it.
    public func member(_ name: String, at now: DetectorTime) -> MemberReport? {
        guard let slot = self.slot(of: name) else { return nil }
        let peer = self.peers[Int(slot)]
        let watch = self.watchIndex(of: slot).map { self.watches[$0] }
        let neighbors = self.rings.neighbors(of: slot, names: self.names)
        let monitors = neighbors.map { self.names[Int($0)] }.sorted { $0.precedesByBytes($1) }
        let accusers =
            peer.verdicts.filter { self.counts($0, against: peer) }.map(\.accuser) + (peer.isAccusedByUs ? [self.name] : [])
        return MemberReport(
            name: name,
            generation: peer.generation,
            incarnation: peer.incarnation,
            status: peer.status,
            phi: watch.map { self.phi($0, at: now) } ?? 0,
            roundTrip: watch?.roundTrip,
            isLinked: peer.isLinked,
            hasDetector: peer.hasDetector,
            isDiallable: peer.isDiallable,
            accusers: accusers.sorted { $0.precedesByBytes($1) },
            monitors: monitors,
            judges: monitors
        )
    }

    /// What is remembered of `name`, oldest first; empty where it is unknown.
    public func story(of name: String) -> [StoryEntry] {
        guard let slot = self.slot(of: name) else { return [] }
        let heartbeats = self.watchIndex(of: slot).flatMap { self.watches[$0].tally.event }
        return self.peers[Int(slot)].story.inOrder + (heartbeats.map { [StoryEntry(time: self.clock, event: $0)] } ?? [])
    }

    /// Nobody: it asks for no probe.
    public var reachability: [ReachabilityFact] {
        []
    }

    /// The names of everybody known, self excluded, by their bytes.
    public var memberNames: [String] {
        self.peers.indices.filter { self.peers[$0].isUsed }.map { self.names[$0] }.sorted { $0.precedesByBytes($1) }
    }

    /// The verdicts of others that are remembered, those that don't count now among them.
    public var accusationsOfOthers: [Accusation] {
        self.peers.reduce(into: self.early) { $0 += $1.verdicts }
    }
}

extension Accusation {
    fileprivate func isBetween(_ accuser: String, _ target: String) -> Bool {
        self.accuser.utf8.elementsEqual(accuser.utf8) && self.target.utf8.elementsEqual(target.utf8)
    }
}
