// SPDX-License-Identifier: Apache-2.0
// Who is in the map: members come, change, restart, refute, leave and are forgotten; the rings follow.

extension PhiAccrualDetector {
    mutating func updateSelf(name: String, generation: UInt64) {
        let isRenamed = !name.utf8.elementsEqual(self.name.utf8)
        if isRenamed {
            self.forgetMember(name)
            self.liveRings.remove(self.selfSlot, names: self.names)
            self.index[NameKey(self.name)] = nil
            self.names[Int(self.selfSlot)] = name
            self.index[NameKey(name)] = self.selfSlot
            self.liveRings.insert(self.selfSlot, names: self.names)
            self.noteRingsChanged()
        }
        guard isRenamed || generation != self.records[Int(self.selfSlot)].generation else { return }
        self.records[Int(self.selfSlot)].generation = generation
        // A new life starts with an empty lane: what stands must be said again.
        for slot in self.accusedByUs.items {
            let detail = self.ensureDetail(slot)
            guard let place = self.ownAccusation(detail) else { continue }
            self.details[detail].standing[place].accuserGeneration = generation
            self.publish(self.details[detail].standing[place], of: slot)
        }
    }

    mutating func updateMember(_ member: Member, now: DetectorTime) {
        guard let slot = self.slot(of: member.name) else {
            self.addMember(member, now: now)
            return
        }
        guard slot != self.selfSlot else {
            // What others think of us is theirs; the engine owns our incarnation.
            self.records[Int(slot)].incarnation = max(self.records[Int(slot)].incarnation, member.incarnation)
            return
        }
        let record = self.records[Int(slot)]
        if member.generation < record.generation {
            return
        }
        if member.generation > record.generation {
            self.beginLife(slot, member, now: now)
            return
        }
        if member.hasLeft {
            self.records[Int(slot)].incarnation = max(record.incarnation, member.incarnation)
            self.leave(slot, now: now)
            return
        }
        if member.incarnation < record.incarnation || (record.status == .left && member.incarnation == record.incarnation) {
            return
        }
        self.records[Int(slot)].isDiallable = record.isDiallable || member.isDiallable
        if member.incarnation > record.incarnation {
            self.refute(slot, incarnation: member.incarnation, now: now)
        }
        if member.hasDetector != record.hasDetector {
            self.records[Int(slot)].hasDetector = member.hasDetector
            self.syncRings(slot)
        }
    }

    private mutating func addMember(_ member: Member, now: DetectorTime) {
        let slot: Int32
        if let free = self.freeSlots.popLast() {
            slot = free
            self.names[Int(slot)] = member.name
            self.records[Int(slot)] = MemberRecord()
        } else {
            slot = Int32(self.records.count)
            self.names.append(member.name)
            self.records.append(MemberRecord())
        }
        self.index[NameKey(member.name)] = slot
        self.records[Int(slot)].isUsed = true
        self.records[Int(slot)].generation = member.generation
        self.records[Int(slot)].incarnation = member.incarnation
        self.records[Int(slot)].hasDetector = member.hasDetector
        self.records[Int(slot)].isDiallable = member.isDiallable
        self.records[Int(slot)].lastLife = now
        if member.hasLeft {
            self.setStatus(slot, .left)
        } else if member.isHeldForDead {
            self.setStatus(slot, .dead)
            self.tell(slot, .heldForDead, now: now)
        } else {
            self.syncRings(slot)
        }
        self.adoptEarlyAccusations(now: now)
    }

    /// A later life of a known name. Nothing that was said of or by the old one counts.
    private mutating func beginLife(_ slot: Int32, _ member: Member, now: DetectorTime) {
        let before = self.records[Int(slot)].status
        self.dropLink(slot)
        self.cancelCheck(slot)
        self.records[Int(slot)].generation = member.generation
        self.records[Int(slot)].incarnation = member.incarnation
        self.records[Int(slot)].isDiallable = member.isDiallable
        self.records[Int(slot)].hasDetector = member.hasDetector
        self.records[Int(slot)].lastLife = now
        self.forgetReachability(slot)
        if let detail = self.detail(slot) {
            self.details[detail].hasHungUp = false
            self.details[detail].backoff = 0
            self.details[detail].nextCheckAt = now
        }
        self.dropStaleAccusations(of: slot)
        self.dropStaleAccusations(by: slot)
        // What it said in this life, if that came first, counts from now on: the next tick judges whom it names.
        self.isComponentStale = true
        self.tell(slot, .restarted(generation: member.generation), now: now)
        if member.hasLeft {
            self.leave(slot, now: now)
            return
        }
        self.revive(slot, from: before, now: now)
        // An accusation of this life may have come before its member record.
        self.judge(slot, now: now)
    }

    private mutating func refute(_ slot: Int32, incarnation: UInt64, now: DetectorTime) {
        let before = self.records[Int(slot)].status
        self.doubtOurWord(slot, now: now)
        self.records[Int(slot)].incarnation = incarnation
        // It spoke a moment ago, if not to us: it gets the time of one silence before it is checked again.
        self.records[Int(slot)].lastLife = now
        self.dropStaleAccusations(of: slot)
        if before != .alive || self.detail(slot) != nil {
            self.tell(slot, .refuted(incarnation: incarnation), now: now)
        }
        self.noteRevival(from: before)
        self.revive(slot, from: before, now: now)
        self.judge(slot, now: now)
    }

    /// An accusation of ours is refuted. Where most judges shared it, the target was at fault (it stood still, say); where we were
    /// nearly alone, or its only judge, it may be us.
    private mutating func doubtOurWord(_ slot: Int32, now: DetectorTime) {
        guard self.accusedByUs.contains(slot) else { return }
        let judges = self.judges(of: slot)
        let accusing = self.countingAccusations(of: slot).count { judges.contains($0.accuser) }
        if judges.count == 1 || accusing * 2 <= judges.count {
            self.health.wasDoubted(now: now)
        }
    }

    /// A greater generation or incarnation is alive, whatever the old one was.
    private mutating func revive(_ slot: Int32, from before: MemberStatus, now: DetectorTime) {
        self.setStatus(slot, .alive)
        self.syncRings(slot)
        guard before != .alive else { return }
        let detail = self.ensureDetail(slot)
        self.details[detail].backoff = 0
        self.details[detail].nextCheckAt = now
        self.tell(slot, .declaredAlive, now: now)
        let record = self.records[Int(slot)]
        self.actions.append(
            .declareAlive(target: self.names[Int(slot)], generation: record.generation, incarnation: record.incarnation)
        )
    }

    private mutating func leave(_ slot: Int32, now: DetectorTime) {
        guard self.records[Int(slot)].status != .left else { return }
        self.cancelCheck(slot)
        self.withdraw(slot)
        self.forgetReachability(slot)
        self.setStatus(slot, .left)
        if self.detail(slot) != nil {
            self.tell(slot, .left, now: now)
        }
    }

    mutating func forgetMember(_ name: String) {
        guard let slot = self.slot(of: name), slot != self.selfSlot else { return }
        self.cancelCheck(slot)
        // What we said of it stays said until its grave ends, which the engine sees to: to others, who forget it a moment later, a
        // retraction would say that we heard from it.
        self.removeAccusations(of: slot, isToldToOthers: false) { _ in true }
        self.dropLink(slot)
        self.forgetReachability(slot)
        // As left it is on no ring and in no list of suspects or dead.
        self.setStatus(slot, .left)
        self.urgentQueue.remove(slot)
        self.bulkQueue.remove(slot)
        self.urgentQueued.remove(slot)
        self.bulkQueued.remove(slot)
        for target in self.accused.items {
            self.removeAccusations(of: target) { $0.accuser == slot }
        }
        // Its lane has gone: when it comes back, what it took back meanwhile is not in there, and nobody says so.
        self.early.removeAll { $0.accuser.utf8.elementsEqual(name.utf8) }
        for other in self.checked.items {
            let detail = self.ensureDetail(other)
            self.details[detail].check?.helpersPending.removeAll { $0 == slot }
        }
        for other in self.reached.items {
            let detail = self.ensureDetail(other)
            if self.details[detail].helperFact?.helper == slot {
                self.details[detail].helperFact = nil
                if self.details[detail].ownFactAt == nil {
                    self.reached.remove(other)
                }
            }
        }
        if let detail = self.detail(slot) {
            self.details[detail] = MemberDetail()
            self.freeDetails.append(Int32(detail))
        }
        self.index[NameKey(name)] = nil
        self.names[Int(slot)] = ""
        self.records[Int(slot)] = MemberRecord()
        self.freeSlots.append(slot)
        // Judges that were computed name slots, and this one may be given to another.
        self.opinions.removeAll { $0 == slot }
        self.watched.removeAll { $0 == slot }
        self.componentEpoch += 1
        self.noteRingsChanged()
    }

    // MARK: - Status and rings

    mutating func setStatus(_ slot: Int32, _ status: MemberStatus) {
        let before = self.records[Int(slot)].status
        guard before != status else { return }
        self.records[Int(slot)].status = status
        if before > status, before != .left {
            self.lastReprieve = self.clock
        }
        switch before {
        case .suspect: self.suspects.remove(slot)
        case .dead: self.deceased.remove(slot)
        case .alive, .left: break
        }
        switch status {
        case .suspect: self.suspects.insert(slot)
        case .dead: self.deceased.insert(slot)
        case .alive, .left: break
        }
        self.isComponentStale = true
        self.syncRings(slot)
    }

    /// Brings the rings in line with whether the member is live and has a detector.
    mutating func syncRings(_ slot: Int32) {
        let record = self.records[Int(slot)]
        let belongsOnRings = record.isLive && record.hasDetector
        let isBystander = record.isLive && !record.hasDetector
        if belongsOnRings != record.isOnRings {
            self.records[Int(slot)].isOnRings = belongsOnRings
            if belongsOnRings {
                self.liveRings.insert(slot, names: self.names)
            } else {
                self.liveRings.remove(slot, names: self.names)
            }
            self.noteRingsChanged()
        }
        if isBystander != record.isBystander {
            self.records[Int(slot)].isBystander = isBystander
            if isBystander {
                self.bystanders.insert(slot)
            } else {
                self.bystanders.remove(slot)
            }
            self.noteRingsChanged()
        }
    }

    private mutating func noteRingsChanged() {
        self.isWatchedStale = true
        self.isComponentStale = true
        self.ringEdges = []
    }

    /// Whom we watch: our neighbours among the live, and the members without a detector that have us as a neighbour.
    mutating func refreshWatched() {
        guard self.isWatchedStale else { return }
        self.isWatchedStale = false
        self.watched = self.liveRings.neighbors(of: self.selfSlot, names: self.names)
        for slot in self.bystanders.items {
            if self.liveRings.neighbors(of: slot, names: self.names).contains(self.selfSlot) {
                self.watched.append(slot)
            }
        }
    }
}
