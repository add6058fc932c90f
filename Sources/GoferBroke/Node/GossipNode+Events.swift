// SPDX-License-Identifier: Apache-2.0
// What a node does when the core tells it something. Everything here runs on the node's queue, one event after the other, and
// must not block.

internal import GoferBrokeConfiguration
internal import GoferBrokeMembership
internal import Logging

extension GossipNode: NodeEventSink {
    package func isWatched(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel) -> Bool {
        lane == .config || self.hub.isWatched(lane: lane, group: group, key: key)
    }

    func handle(_ event: NodeEvent) {
        switch event {
        case .joined(let memberCount): self.onJoined(memberCount: memberCount)
        case .seedFailed(let seed, let error): self.onSeedFailed(seed, error)
        case .stopped(let error):
            self.logger.error("the cluster refuses this node", metadata: ["error": "\(error)", "code": "\(error.code)"])
            self.finish(.failed(error))
        case .left:
            self.logger.info("left")
            self.finish(.left)
        case .generation(let generation):
            self.logger.notice("the node goes on under a greater generation", metadata: ["generation": "\(generation)"])
            self.judge(.selfUpdated(name: self.name, generation: generation), time: 0)
            self.hub.tell(.generationChanged(generation))
        case .member(let member, let news, let time): self.onMember(member, news, time: time)
        case .delta(let news): self.onDelta(news)
        case .lagged(let count): self.onLagged(count)
        case .load(let load):
            self.logger.debug(
                "pacing of own changes",
                metadata: ["on": "\(load.isPacing)", "admitted_per_s": "\(load.admittedRate)", "pending": "\(load.pendingCount)"]
            )
            self.hub.tell(.load(load))
        case .limit(let error, let participant):
            var metadata: Logger.Metadata = ["error": "\(error)"]
            metadata["participant"] = participant.map { "\($0)" }
            self.logger.warning(
                error.code == .dataDirectory ? "something is amiss in the data directory" : "refused for a limit",
                metadata: metadata
            )
            self.hub.tell(.limitReached(error, participant: participant))
        case .exchange(let peer, let duration, let laneCount):
            self.metrics.exchanged(duration)
            ExchangeSpan.record(node: self.name, peer: peer, duration: duration, laneCount: laneCount)
        case .fact(let input, let time):
            self.judge(input, time: time)
            switch input {
            case .tick: self.onTick(time: time)
            case .selfAccused(let accuser): self.onAccused(by: accuser)
            default: break
            }
        case .client(let input): self.clientDoor.handle(input)
        }
    }

    /// Tells the detector and does what it answers.
    private func judge(_ input: DetectorInput, time: UInt64) {
        // A node that is closing has nobody to act for it.
        try? self.handle.act(self.detector.handle(input, time: time))
    }

    private func onAccused(by accuser: String) {
        self.logger.notice("accused, and refuting it", metadata: ["by": "\(accuser)"])
        self.hub.tell(.accused(by: accuser))
    }

    private func onJoined(memberCount: Int) {
        let (span, seeds) = self.state.withLock { state -> (JoinSpan?, [Endpoint]?) in
            state.isJoined = true
            state.seedsComplainedAbout = [:]
            defer {
                state.joinSpan = nil
                state.isFoundingCluster = false
            }
            return (state.joinSpan, state.isFoundingCluster ? state.seeds : nil)
        }
        span?.end(nil)
        if let seeds {
            try? self.handle.setSeeds(seeds)
        }
        self.logger.info("joined", metadata: ["members": "\(memberCount)"])
        self.carryOut(self.clusterState.withLock { $0.joined(memberCount: memberCount, time: self.detector.time) })
        self.hub.tell(.joined(memberCount: memberCount))
        self.joined.update { $0.set(.success(())) }
    }

    // MARK: Members

    private func onMember(_ member: Member, _ news: MemberNews, time: UInt64) {
        guard !member.isSelf else {
            if news == .updated {
                self.hub.tell(.memberUpdated(member))
            }
            return
        }
        self.judge(news == .forgotten ? .memberForgotten(name: member.name) : .memberUpdated(.init(member)), time: time)
        self.followConfiguration(of: member, news)
        var member = member
        member.phi = self.detector.phi(of: member.name)
        let event = GossipEvent(member, news)
        self.log(event)
        if news == .forgotten {
            self.hub.forget(member.name)
        }
        self.hub.tell(member)
        self.hub.tell(event)
    }

    private func followConfiguration(of member: Member, _ news: MemberNews) {
        if news == .forgotten || news == .restarted || member.status >= .dead {
            self.clusterState.withLock { $0.departed(member.name) }
        } else if news == .status {
            // It may have been held for dead: what it publishes counts again.
            let deltas = self.handle.deltas(of: member.name, lane: .config) ?? []
            self.carryOut(self.clusterState.withLock { $0.handle(deltas) })
        } else {
            self.clusterState.withLock { $0.membersChanged() }
        }
    }

    private func log(_ event: GossipEvent) {
        func line(
            _ level: Logger.Level,
            _ message: Logger.Message,
            _ member: Member,
            isAddressKnown: Bool = true,
            accusers: [String] = []
        ) {
            var metadata: Logger.Metadata = ["member": "\(member.name)", "generation": "\(member.generation)"]
            if !accusers.isEmpty {
                metadata["accused-by"] = "\(accusers.joined(separator: ","))"
            }
            if isAddressKnown, let address = member.address {
                metadata["address"] = "\(address)"
            }
            self.logger.log(level: level, message, metadata: metadata)
        }
        switch event {
        // Of a new life the address comes with its first update; until then the one of the life before stands there.
        case .memberJoined(let member): line(.info, "member joined", member)
        case .memberRestarted(let member): line(.info, "member restarted", member, isAddressKnown: false)
        case .memberLeft(let member): line(.info, "member left", member)
        case .memberDied(let member): line(.info, "member died", member)
        case .memberAlive(let member): line(.info, "member is alive", member)
        case .memberSuspected(let member): line(.info, "member is suspect", member, accusers: self.detector.accusers(of: member.name))
        case .memberUpdated(let member): line(.debug, "member updated", member)
        case .memberForgotten(let member): line(.debug, "member forgotten", member)
        default: break
        }
    }

    // MARK: Deltas

    private func onDelta(_ news: DeltaNews) {
        if news.lane == .config {
            self.carryOut(self.clusterState.withLock { $0.handle(news) })
        }
        self.hub.tell(news)
    }

    /// Events were lost between the core and here: everything that is built from them is built anew.
    private func onLagged(_ count: Int) {
        self.logger.warning("events were dropped, reading anew", metadata: ["count": "\(count)"])
        let time = self.detector.time
        let members = self.handle.members().filter { !$0.isSelf }
        let accusations = members.flatMap { self.handle.accusations(by: $0.name) }
        // A node that is closing has nobody to act for it.
        try? self.handle.act(self.detector.catchUp(members: members, accusations: accusations, time: time))
        for member in members {
            let deltas = self.handle.deltas(of: member.name, lane: .config) ?? []
            self.carryOut(self.clusterState.withLock { $0.handle(deltas) })
        }
        self.hub.lag(count)
    }

    // MARK: Configuration

    /// Publishes and applies what the configuration asks for, and tells of it. Called with no lock held.
    func carryOut(_ outcome: ClusterState.Outcome) {
        for publication in outcome.publish {
            do {
                let bytes = try publication.value.encoded()
                try self.handle.set(
                    lane: .config,
                    group: ClusterState.group,
                    key: DeltaLabel(publication.key),
                    type: .bytes,
                    bytes: bytes,
                    timeToLive: 0
                )
            } catch {
                // A node that goes owes the cluster nothing: the next by name publishes it.
                self.logger.log(
                    level: self.isGoing ? .debug : .error,
                    "can't publish configuration",
                    metadata: ["key": "\(publication.key)", "error": "\(error)"]
                )
            }
        }
        for key in outcome.withdraw {
            // Not found: it was never published in this life.
            try? self.handle.delete(lane: .config, group: ClusterState.group, key: DeltaLabel(key))
        }
        if !outcome.events.changedKeys.isEmpty {
            // A node that is closing has nothing to configure.
            try? self.applySettings()
            self.state.withLock { $0.facts.settingsChanged() }
        }
        for event in outcome.events {
            self.tell(event)
        }
        for difference in outcome.differences {
            self.logger.notice(
                "the cluster's configuration differs from the file's",
                metadata: ["key": "\(difference.key.path)", "file": "\(difference.text)", "cluster": "\(difference.otherText)"]
            )
        }
        if outcome.isNewlySettled {
            self.settled.update { $0.set(()) }
        }
    }

    /// Whether the node leaves, or has stopped.
    private var isGoing: Bool {
        self.state.withLock { $0.isLeaving || $0.end != nil }
    }

    /// Hands the settings in force to the core and the detector.
    func applySettings() throws(GoferBrokeError) {
        try self.applying.withLock { _ throws(GoferBrokeError) in
            let configuration = self.clusterState.withLock { $0.configuration }
            let leaveTimeout = self.state.withLock { $0.leaveTimeout }
            try self.handle.configure(EngineSettings(configuration, leaveTimeout: leaveTimeout))
            try self.handle.act(self.detector.handle(.settingsChanged(DetectorSettings(configuration)), time: 0))
            self.inForce.withLock { $0 = SettingsInForce(configuration) }
        }
    }

    private func tell(_ event: ConfigurationEvent) {
        switch event {
        case .changed(let change):
            self.logger.info(
                change.isLive ? "configuration changed" : "configuration of the cluster taken over",
                metadata: ["key": "\(change.key)", "old": "\(change.oldText)", "new": "\(change.newText)"]
            )
            self.hub.tell(.configurationChanged(change))
        case .superseded(let key, let lost, let by):
            self.logger.notice(
                "configuration change superseded",
                metadata: ["key": "\(key)", "lost": "\(lost.text)", "by": "\(by.text)", "writer": "\(by.stamp.writer)"]
            )
            self.hub.tell(.configurationSuperseded(key: key, lost: lost, by: by))
        case .refused(let key, let publisher, let reason):
            self.logger.warning(
                "configuration entry refused",
                metadata: ["key": "\(key)", "publisher": "\(publisher)", "reason": "\(reason)"]
            )
            self.hub.tell(.configurationRefused(key: key, publisher: publisher, reason: reason))
        }
    }

    // MARK: Time

    /// Housekeeping, with the detector's ticks; most of the work is done once a second.
    private func onTick(time: UInt64) {
        self.carryOut(self.clusterState.withLock { $0.settleIfDue(time: time) })
        let isDue = self.state.withLock { state in
            guard time >= state.nextHousekeeping else { return false }
            state.nextHousekeeping = time + 1_000_000
            return true
        }
        guard isDue else { return }
        let statistics = self.handle.statistics()
        self.carryOut(
            self.clusterState.withLock { state in
                state.tick(time: time) { self.handle.members().filter { $0.status < .dead }.map(\.name) }
            }
        )
        self.metrics.record(statistics, phi: self.detector.linkedPhis())
        self.tellWork()
        self.tellFacts(time: time, memberCount: statistics.membersAlive + statistics.membersSuspect)
    }

    private func tellWork() {
        let (statistics, localHealth) = self.detector.work()
        self.metrics.record(statistics, localHealth: localHealth)
        let isChanged = self.state.withLock { state in
            defer { state.localHealth = localHealth }
            return state.localHealth != localHealth
        }
        if isChanged {
            self.logger.debug("local health", metadata: ["value": "\(localHealth)"])
            self.hub.tell(.localHealthChanged(localHealth))
        }
    }

    private func tellFacts(time: UInt64, memberCount: Int) {
        let (configuration, isSettled) = self.clusterState.withLock { ($0.configuration, $0.isSettled) }
        guard isSettled else { return }
        let due = self.state.withLock { state in
            state.facts.due(
                time: time,
                configuration: configuration,
                isOff: self.nodeConfiguration.areSystemFactsOff,
                memberCount: memberCount,
                read: HostFacts.read
            )
        }
        guard let due else { return }
        for (key, fact) in due.set {
            do {
                try self.handle.set(
                    lane: .system,
                    group: SystemFacts.group,
                    key: key,
                    type: fact.type,
                    bytes: fact.bytes,
                    timeToLive: 0
                )
            } catch {
                self.logger.debug("can't tell a fact of this machine", metadata: ["key": "\(key)", "error": "\(error)"])
            }
        }
        for key in due.delete {
            try? self.handle.delete(lane: .system, group: SystemFacts.group, key: key)
        }
    }
}
