// SPDX-License-Identifier: Apache-2.0
// Links and what is heard on them: windows, phi, life.

extension PhiAccrualDetector {
    mutating func openLink(_ name: String, generation: UInt64, now: DetectorTime) {
        guard let slot = self.slot(of: name, generation: generation) else { return }
        self.tell(slot, .linkOpened, now: now)
        self.markLinked(slot, now: now)
        self.heard(slot, now: now)
    }

    mutating func closeLink(_ name: String, generation: UInt64, cause: LinkCloseCause, now: DetectorTime) {
        guard let slot = self.slot(of: name, generation: generation) else { return }
        self.tell(slot, .linkClosed(cause), now: now)
        switch cause {
        case .replaced:
            return
        case .closedByUs:
            self.dropLink(slot)
        case .reset, .ended:
            self.dropLink(slot)
            self.noteLost(slot, hasHungUp: true, now: now)
        case .timedOut:
            self.dropLink(slot)
            self.noteLost(slot, hasHungUp: false, now: now)
        }
    }

    private mutating func noteLost(_ slot: Int32, hasHungUp: Bool, now: DetectorTime) {
        guard self.records[Int(slot)].isLive else { return }
        let detail = self.ensureDetail(slot)
        self.details[detail].hasHungUp = hasHungUp
        if let dials = self.details[detail].check?.dialsPending, dials > 0, !hasHungUp {
            // Dials are out already, and their answers say as much as new ones would.
            return
        }
        if !hasHungUp, self.accusedByUs.contains(slot) {
            return
        }
        // What a check before the loss finds out may be older than the loss.
        self.cancelCheck(slot)
        self.requestCheck(slot, .linkLost)
    }

    mutating func noteHeartbeat(_ name: String, generation: UInt64, roundTrip: Duration?, now: DetectorTime) {
        guard let slot = self.slot(of: name, generation: generation) else { return }
        self.markLinked(slot, now: now)
        self.heard(slot, now: now)
        let detail = self.ensureDetail(slot)
        // After an alarm there is no last heartbeat: such a silence is not the peer's rhythm.
        if let last = self.details[detail].lastHeartbeat {
            let gap = now.micros(since: last)
            self.details[detail].tally.record(gap: gap)
            // Nor is a burst after a stall.
            if gap * 4 >= self.timing.heartbeatInterval {
                self.details[detail].window?.record(gap)
            }
        }
        if let mean = self.details[detail].window?.mean {
            // A shorter mean may bring the end nearer.
            self.linksQuietUntil = min(self.linksQuietUntil, self.quietEnd(of: slot, mean: mean))
        }
        self.details[detail].lastHeartbeat = now
        if let roundTrip {
            self.details[detail].roundTrip = roundTrip
            // Forgotten by half within some ten heartbeats, of all links together.
            self.slowestTrip = max(self.slowestTrip - self.slowestTrip / 16, roundTrip.wholeMicroseconds)
            // To connect, and to be told who answers.
            self.details[detail].answerTime = 2 * min(max(roundTrip.wholeMicroseconds, 0), Self.longestProbeTimeout)
        }
    }

    mutating func noteActivity(_ name: String, generation: UInt64, now: DetectorTime) {
        guard let slot = self.slot(of: name, generation: generation) else { return }
        self.markLinked(slot, now: now)
        self.heard(slot, now: now)
    }

    /// Bytes came over a link: there is one, whatever we were told before.
    private mutating func markLinked(_ slot: Int32, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        guard !self.details[detail].isLinked else { return }
        self.details[detail].isLinked = true
        self.details[detail].lastHeartbeat = nil
        if self.details[detail].window == nil {
            self.details[detail].window = self.makeWindow()
        }
        self.details[detail].verificationBackoff = Self.firstVerification
        self.details[detail].nextVerificationAt = now.advanced(by: Self.firstVerification)
        self.linked.insert(slot)
        self.linksQuietUntil = .zero
        self.isComponentStale = true
    }

    mutating func dropLink(_ slot: Int32) {
        guard let detail = self.detail(slot), self.details[detail].isLinked else { return }
        self.details[detail].isLinked = false
        self.details[detail].lastHeartbeat = nil
        self.details[detail].window = nil
        self.details[detail].roundTrip = nil
        self.details[detail].isInPhiAlarm = false
        self.linked.remove(slot)
        self.isComponentStale = true
    }

    /// The peer itself spoke, on a link or in answer to our dial.
    mutating func heard(_ slot: Int32, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        self.details[detail].hasHungUp = false
        self.proveAlive(slot, now: now)
    }

    /// Something proves that this life runs: no check, no accusation of ours, and death is judged anew.
    mutating func proveAlive(_ slot: Int32, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        self.records[Int(slot)].lastLife = now
        if self.details[detail].isInPhiAlarm {
            self.details[detail].isInPhiAlarm = false
            self.details[detail].lastHeartbeat = nil
        }
        self.cancelCheck(slot)
        let status = self.records[Int(slot)].status
        guard status == .suspect || status == .dead else { return }
        if self.accusedByUs.contains(slot) {
            self.withdraw(slot)
            self.tell(slot, .retractedByUs, now: now)
        }
        self.reconsider(slot, now: now)
    }

    /// Phi of a link at `now`; 0 without one.
    func phi(_ slot: Int32, at now: DetectorTime) -> Double {
        guard let detail = self.detail(slot), let window = self.details[detail].window, self.details[detail].isLinked else {
            return 0
        }
        return window.phi(
            silence: now.micros(since: self.records[Int(slot)].lastLife),
            minimumDeviation: self.timing.minimumDeviation,
            acceptablePause: self.stretched(self.timing.acceptablePause)
        )
    }

    // MARK: - Each tick

    /// Links that fell silent.
    mutating func watchLinks(now: DetectorTime) {
        guard now.advanced(by: self.timing.calmTickInterval) > self.linksQuietUntil else { return }
        let allowed = self.stretched(self.timing.acceptablePause)
        var quietUntil = DetectorTime(microseconds: .max)
        for slot in self.linked.items {
            let record = self.records[Int(slot)]
            guard record.isDiallable, let detail = self.detail(slot), let mean = self.details[detail].window?.mean else {
                quietUntil = now
                self.watchLink(slot, allowed: allowed, now: now)
                continue
            }
            quietUntil = min(quietUntil, self.quietEnd(of: slot, mean: mean))
            // Before that phi is below 0.31: nothing to compute.
            if Double(now.micros(since: record.lastLife) - allowed) > mean {
                self.watchLink(slot, allowed: allowed, now: now)
            }
        }
        self.linksQuietUntil = quietUntil
    }

    private mutating func watchLink(_ slot: Int32, allowed: Int64, now: DetectorTime) {
        guard self.records[Int(slot)].isLive else { return }
        let silence = now.micros(since: self.records[Int(slot)].lastLife)
        if silence > allowed {
            let phi = self.phi(slot, at: now)
            if phi > self.settings.phiThreshold {
                self.noteAlarm(slot, phi: phi, silence: silence, now: now)
            }
        }
        self.verifyDiallable(slot, now: now)
    }

    /// Until then a link that is heard no more gives no alarm: the mean interval and the allowed pause, which our health may only
    /// stretch, are not over.
    private func quietEnd(of slot: Int32, mean: Double) -> DetectorTime {
        self.records[Int(slot)].lastLife.advanced(by: self.timing.acceptablePause + Int64(mean))
    }

    private mutating func noteAlarm(_ slot: Int32, phi: Double, silence: Int64, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        if !self.details[detail].isInPhiAlarm {
            self.details[detail].isInPhiAlarm = true
            self.tell(slot, .phiCrossed(phi: phi, silence: .microseconds(silence)), now: now)
        }
        if self.details[detail].check == nil, !self.held.contains(slot), !self.accusedByUs.contains(slot) {
            self.requestCheck(slot, .silence)
        }
    }

    /// Members that are ours to watch and have no link, for longer than a silence that is allowed.
    mutating func watchUnlinked(now: DetectorTime) {
        for slot in self.watched where self.records[Int(slot)].isLive {
            guard self.isOverdue(slot, now: now), !self.linked.contains(slot) else { continue }
            if let detail = self.detail(slot), self.details[detail].check != nil { continue }
            guard !self.held.contains(slot), !self.accusedByUs.contains(slot) else { continue }
            self.requestCheck(slot, .unwatched)
        }
    }

    /// Whether a member without a link to us has been silent for longer than is allowed. One that we never dialled with success may be
    /// one that nobody can dial: it needs the time to find that it has to dial us.
    func isOverdue(_ slot: Int32, now: DetectorTime) -> Bool {
        let allowed = self.timing.heartbeatInterval + self.stretched(self.timing.acceptablePause)
        let record = self.records[Int(slot)]
        return now.micros(since: record.lastLife) > (record.isDiallable ? allowed : Self.strangersPatience * allowed)
    }

    static var strangersPatience: Int64 { 4 }

    /// The first pause before a peer that is linked is dialled, so that a refusal of that address later proves its end.
    static var firstVerification: Int64 { 500_000 }
    /// The longest pause between such dials; a peer behind NAT is never reached.
    static var longestVerification: Int64 { 300_000_000 }

    private mutating func verifyDiallable(_ slot: Int32, now: DetectorTime) {
        guard !self.records[Int(slot)].isDiallable, let detail = self.detail(slot) else { return }
        guard now >= self.details[detail].nextVerificationAt, self.watched.contains(slot), self.takeBulkToken() else { return }
        let backoff = min(self.details[detail].verificationBackoff * 4, Self.longestVerification)
        self.details[detail].verificationBackoff = backoff
        self.statistics.probes += 1
        self.details[detail].nextVerificationAt = now.advanced(by: backoff)
        self.actions.append(
            .probe(
                target: self.names[Int(slot)],
                generation: self.records[Int(slot)].generation,
                timeout: self.told(self.probeTimeout(slot, nil))
            )
        )
    }
}
