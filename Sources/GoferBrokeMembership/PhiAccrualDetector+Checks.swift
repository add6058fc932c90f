// SPDX-License-Identifier: Apache-2.0
// Checking before accusing: fresh dials, other monitors asked, all at a bounded rate.

extension PhiAccrualDetector {
    // MARK: - Starting

    /// Asks for a check; it starts when the rate allows, urgent ones first. A member is checked once at a time.
    mutating func requestCheck(_ slot: Int32, _ cause: CheckCause) {
        let detail = self.ensureDetail(slot)
        guard self.details[detail].check == nil else { return }
        if let queued = self.details[detail].queuedCause, queued.isUrgent || !cause.isUrgent {
            return
        }
        self.details[detail].queuedCause = cause
        if cause.isUrgent {
            if !self.urgentQueued.contains(slot) {
                self.urgentQueued.insert(slot)
                self.urgentQueue.append(slot)
            }
        } else if !self.bulkQueued.contains(slot) {
            self.bulkQueued.insert(slot)
            self.bulkQueue.append(slot)
        }
    }

    mutating func startQueuedChecks(now: DetectorTime) {
        while self.tokens >= Self.token, let slot = self.urgentQueue.popFirst() {
            self.urgentQueued.remove(slot)
            self.startQueued(slot, now: now)
        }
        while self.tokens >= Self.token + self.reserve, let slot = self.bulkQueue.popFirst() {
            self.bulkQueued.remove(slot)
            self.startQueued(slot, now: now)
        }
    }

    private mutating func startQueued(_ slot: Int32, now: DetectorTime) {
        guard let detail = self.detail(slot), let cause = self.details[detail].queuedCause else { return }
        self.details[detail].queuedCause = nil
        self.tokens -= Self.token
        // One's own trouble is the first thing to doubt: the less well we are, the more rounds before judging. A last look only
        // confirms what a majority of others says.
        let extraRounds = cause == .lastLook ? 0 : min(self.localHealth, 3)
        self.startRound(slot, cause: cause, roundsLeft: extraRounds, now: now)
    }

    private mutating func startRound(_ slot: Int32, cause: CheckCause, roundsLeft: Int, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        let helpers = cause.asksHelpers ? self.chooseHelpers(for: slot) : self.provenHelper(for: slot)
        let target = self.names[Int(slot)]
        let generation = self.records[Int(slot)].generation
        let timeout = self.probeTimeout(slot, cause)
        self.details[detail].check = Check(
            cause: cause,
            dialsPending: self.settings.parallelProbes,
            helpersPending: helpers,
            // The carrier gives a dial up after one timeout; a helper's word may take one more.
            deadline: now.advanced(by: 2 * self.stretched(timeout)),
            roundsLeft: roundsLeft
        )
        self.checked.insert(slot)
        self.statistics.checks += 1
        self.statistics.probes += UInt64(self.settings.parallelProbes)
        self.statistics.probesThroughOthers += UInt64(helpers.count)
        self.tell(
            slot,
            .checkStarted(
                why: cause.words,
                dials: self.settings.parallelProbes,
                helpers: helpers.map { self.names[Int($0)] }
            ),
            now: now
        )
        for _ in 0..<self.settings.parallelProbes {
            self.actions.append(.probe(target: target, generation: generation, timeout: self.told(timeout)))
        }
        for helper in helpers {
            self.actions.append(.probeThrough(helper: self.names[Int(helper)], target: target, generation: generation))
        }
    }

    /// How long a dial of that member may take: the setting, or twice what its last answer took if that is more. A look whether it
    /// is back has time, and finds out how far away it is; so has a last look, for which packets may be lost.
    func probeTimeout(_ slot: Int32, _ cause: CheckCause?) -> Int64 {
        let isPatient = cause == .recheck || cause == .lastLook
        let least = self.timing.probeTimeout * (isPatient ? Self.patience : 1)
        guard let detail = self.detail(slot) else { return least }
        return max(least, min(2 * self.details[detail].answerTime, Self.longestProbeTimeout))
    }

    /// The timeout as an action names it.
    func told(_ timeout: Int64) -> Duration? {
        timeout == self.timing.probeTimeout ? nil : .microseconds(timeout)
    }

    mutating func noteAnswerTime(of target: String, generation: UInt64, _ duration: Duration) {
        guard let slot = self.slot(of: target, generation: generation) else { return }
        self.details[self.ensureDetail(slot)].answerTime = min(max(duration.wholeMicroseconds, 0), Self.longestProbeTimeout)
    }

    static var patience: Int64 { 4 }
    static var longestProbeTimeout: Int64 { 2_000_000 }

    /// Up to `helperCount` other monitors of the target that nobody accuses and that do not accuse it, for those could not reach it;
    /// whom we have a link to first, else by lot.
    private mutating func chooseHelpers(for slot: Int32) -> [Int32] {
        var candidates: [Int32] = []
        let accusers = self.countingAccusations(of: slot).map(\.accuser)
        for monitor in self.liveRings.neighbors(of: slot, names: self.names) {
            if monitor != self.selfSlot, self.records[Int(monitor)].status == .alive, !accusers.contains(monitor) {
                candidates.append(monitor)
            }
        }
        var start = 0
        // A shuffle, linked ones to the front.
        while start < candidates.count {
            candidates.swapAt(start, start + self.random.index(below: candidates.count - start))
            start += 1
        }
        let near = candidates.filter { self.linked.contains($0) }
        let far = candidates.filter { !self.linked.contains($0) }
        return Array((near + far).prefix(self.settings.helperCount))
    }

    /// The monitor that reached the target lately, where we did not: it may still. None if it accuses it by now.
    private func provenHelper(for slot: Int32) -> [Int32] {
        guard let detail = self.detail(slot), let fact = self.details[detail].helperFact,
            self.records[Int(fact.helper)].status == .alive,
            !self.countingAccusations(of: slot).contains(where: { $0.accuser == fact.helper })
        else { return [] }
        return [fact.helper]
    }

    mutating func cancelCheck(_ slot: Int32) {
        guard let detail = self.detail(slot) else { return }
        if self.details[detail].check != nil {
            self.details[detail].check = nil
            self.checked.remove(slot)
        }
        // The queues drop those without a cause when their turn comes.
        self.details[detail].queuedCause = nil
        self.held.remove(slot)
    }

    // MARK: - Results

    mutating func noteProbeResult(
        target: String,
        generation: UInt64,
        helper: String?,
        outcome: ProbeOutcome,
        now: DetectorTime
    ) {
        guard let slot = self.slot(of: target, generation: generation) else { return }
        guard self.records[Int(slot)].status != .left else { return }
        self.tell(slot, .probed(helper: helper, outcome: outcome), now: now)
        self.statistics.probesAnswered += outcome == .answered ? 1 : 0
        if let helper {
            guard let helperSlot = self.slot(of: helper), helperSlot != self.selfSlot else { return }
            self.noteHelperResult(slot, helper: helperSlot, outcome: outcome, now: now)
        } else {
            self.noteDialResult(slot, outcome: outcome, now: now)
        }
    }

    private mutating func noteDialResult(_ slot: Int32, outcome: ProbeOutcome, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        switch outcome {
        case .answered:
            self.health.succeeded(now: now)
            self.records[Int(slot)].isDiallable = true
            self.details[detail].ownFactAt = now
            self.noteReached(slot, now: now)
            self.settleCheck(slot, now: now)
            self.heard(slot, now: now)
        case .newerGeneration(let generation):
            guard generation > self.records[Int(slot)].generation else { return }
            self.cancelCheck(slot)
            self.settleCheck(slot, now: now)
            self.declareDead(slot, reason: .superseded, accusing: 0, judges: 0, now: now)
        case .refused, .otherIdentity:
            self.noteFailedDial(slot)
            if self.details[detail].hasHungUp, self.records[Int(slot)].isDiallable, self.records[Int(slot)].isLive {
                // Its host hung up and now says that nobody is there: no helper could add to that.
                self.cancelCheck(slot)
                self.settleCheck(slot, now: now)
                self.accuse(slot, reason: .crashed, now: now)
            } else {
                self.concludeIfComplete(slot, now: now)
            }
        case .unreachable:
            self.noteFailedDial(slot)
            self.concludeIfComplete(slot, now: now)
        }
    }

    private mutating func noteHelperResult(_ slot: Int32, helper: Int32, outcome: ProbeOutcome, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        self.details[detail].check?.helpersPending.removeAll { $0 == helper }
        switch outcome {
        case .answered:
            if self.details[detail].check?.hasFailedDial ?? self.accusedByUs.contains(slot) {
                self.health.wasDoubted(now: now)
            }
            self.details[detail].helperFact = HelperFact(helper: helper, at: now)
            self.noteReached(slot, now: now)
            self.settleCheck(slot, now: now)
            self.proveAlive(slot, now: now)
        case .refused, .otherIdentity, .unreachable, .newerGeneration:
            // That a later life answered a helper, we shall hear from that life.
            self.concludeIfComplete(slot, now: now)
        }
    }

    private mutating func noteFailedDial(_ slot: Int32) {
        let detail = self.ensureDetail(slot)
        guard var check = self.details[detail].check else { return }
        check.dialsPending = max(check.dialsPending - 1, 0)
        check.hasFailedDial = true
        self.details[detail].check = check
    }

    /// What the carrier should have told by now counts as unanswered.
    mutating func expireChecks(now: DetectorTime) {
        for slot in self.checked.items {
            guard let detail = self.detail(slot), let deadline = self.details[detail].check?.deadline else { continue }
            if now >= deadline {
                self.concludeFailed(slot, now: now)
            }
        }
    }

    private mutating func concludeIfComplete(_ slot: Int32, now: DetectorTime) {
        guard let detail = self.detail(slot), let check = self.details[detail].check else { return }
        if check.dialsPending == 0, check.helpersPending.isEmpty {
            self.concludeFailed(slot, now: now)
        }
    }

    /// Nobody reached it.
    private mutating func concludeFailed(_ slot: Int32, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        guard let check = self.details[detail].check else { return }
        self.cancelCheck(slot)
        // A look whether it is back only ever takes an accusation away: where that has fallen meanwhile, the dials are older than
        // the word that felled it.
        if self.accusedByUs.contains(slot) || check.cause == .recheck {
            self.settleCheck(slot, now: now)
            return
        }
        if check.roundsLeft > 0 {
            self.startRound(slot, cause: check.cause, roundsLeft: check.roundsLeft - 1, now: now)
            return
        }
        if check.cause == .lastLook, self.isHolding || !self.judges(of: slot).contains(self.selfSlot) {
            // Not ours to accuse. During the hold it says nothing, and another look is made after it.
            if !self.isHolding {
                self.details[detail].vainLookAt = now
                self.judge(slot, now: now)
            }
            return
        }
        if self.isHolding {
            self.tell(slot, .judgementHeld, now: now)
            self.details[detail].queuedCause = nil
            self.held.insert(slot)
            return
        }
        self.settleCheck(slot, now: now)
        self.accuse(slot, reason: check.cause.reason, now: now)
    }

    /// After a check, the next one that no new event asks for waits: 1 s, then twice as long each time, up to 10 s.
    private mutating func settleCheck(_ slot: Int32, now: DetectorTime) {
        let detail = self.ensureDetail(slot)
        let backoff = min(max(self.details[detail].backoff * 2, Self.shortestBackoff), Self.longestBackoff)
        self.details[detail].backoff = backoff
        self.details[detail].nextCheckAt = now.advanced(by: backoff)
    }

    /// The next check waits no longer than the shortest pause after the last one.
    mutating func hastenCheck(_ detail: Int) {
        let surplus = self.details[detail].backoff - Self.shortestBackoff
        guard surplus > 0 else { return }
        self.details[detail].nextCheckAt = self.details[detail].nextCheckAt.advanced(by: -surplus)
        self.details[detail].backoff = Self.shortestBackoff
    }

    static var shortestBackoff: Int64 { 1_000_000 }
    static var longestBackoff: Int64 { 10_000_000 }

    // MARK: - Each tick

    /// Checks that failed during the hold after our own pause are made again.
    mutating func resumeHeld(now: DetectorTime) {
        guard !self.held.isEmpty, !self.isHolding else { return }
        for slot in self.held.items {
            self.held.remove(slot)
            if self.records[Int(slot)].isLive, !self.accusedByUs.contains(slot) {
                self.requestCheck(slot, self.linked.contains(slot) ? .silence : .linkLost)
            }
        }
    }

    /// Dials whom we accuse: it may be back without a link that tells us. The dead are dialled by the engine.
    mutating func recheckAccused(now: DetectorTime) {
        for slot in self.accusedByUs.items where self.records[Int(slot)].status == .suspect {
            let detail = self.ensureDetail(slot)
            if now >= self.details[detail].nextCheckAt {
                self.requestCheck(slot, .recheck)
            }
        }
    }

    // MARK: - Reachability

    private mutating func noteReached(_ slot: Int32, now: DetectorTime) {
        self.reached.insert(slot)
        if !self.isInComponent(slot) {
            self.isComponentStale = true
        }
    }

    mutating func forgetReachability(_ slot: Int32) {
        guard let detail = self.detail(slot) else { return }
        self.details[detail].ownFactAt = nil
        self.details[detail].helperFact = nil
        self.reached.remove(slot)
    }

    mutating func expireReachability(now: DetectorTime) {
        for slot in self.reached.items {
            let detail = self.ensureDetail(slot)
            if let at = self.details[detail].ownFactAt, now.micros(since: at) > self.timing.reachabilityLifetime {
                self.details[detail].ownFactAt = nil
                self.isComponentStale = true
            }
            if let fact = self.details[detail].helperFact, now.micros(since: fact.at) > self.timing.reachabilityLifetime {
                self.details[detail].helperFact = nil
                self.isComponentStale = true
            }
            if self.details[detail].ownFactAt == nil, self.details[detail].helperFact == nil {
                self.reached.remove(slot)
            }
        }
    }

    // MARK: - Rate

    mutating func refill(now: DetectorTime) {
        let elapsed = min(max(now.micros(since: self.tokensAt), 0), 3_600_000_000)
        self.tokensAt = now
        let full = Int64(self.settings.probeBurst) * Self.token
        self.tokens = min(full, self.tokens + elapsed * Int64(self.settings.probeRate))
    }

    /// The half of the bucket that only urgent checks may use.
    private var reserve: Int64 {
        Int64(self.settings.probeBurst / 2) * Self.token
    }

    mutating func takeBulkToken() -> Bool {
        guard self.tokens >= Self.token + self.reserve else { return false }
        self.tokens -= Self.token
        return true
    }
}
