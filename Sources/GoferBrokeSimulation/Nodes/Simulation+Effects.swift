// SPDX-License-Identifier: Apache-2.0
// What engines want, and what their hosts answer: what GossipNode does for a real node.

internal import GoferBroke
internal import GoferBrokeConfiguration
internal import GoferBrokeMembership

extension Simulation: EngineDriver {
    func engineSends(_ bytes: UnsafeRawBufferPointer, on link: UInt64) {
        guard let place = self.current, let at = place.links[link], self.isUsed(at.connection, at.use) else {
            // The other end is gone, and the engine will hear of it: the bytes are dropped with the link.
            self.current?.dirtyLinks.append((link, bytes.count))
            return
        }
        let piece = StreamPiece(kind: .bytes, payload: self.payloads.add(bytes), size: Int32(bytes.count))
        self.bytesSent += UInt64(bytes.count)
        self.onSend?(StreamName(connection: at.connection, use: at.use, side: at.side), bytes)
        self.send(piece, at.connection, from: Int(at.side))
    }

    func engineDials(_ endpoint: Endpoint, timeout: UInt64, link: UInt64) {
        guard let place = self.current else { return }
        self.dial(endpoint, timeout: timeout, link: link, from: place)
    }

    func engineCloses(_ link: UInt64) {
        guard let place = self.current else { return }
        self.close(link, of: place, as: .end)
    }

    func engineNotifies(_ event: NodeEvent) {
        self.current?.notices.append(event)
    }

    func isWatched(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel) -> Bool {
        if lane == .config { return self.options.hasConfiguration }
        guard lane == .user, let place = self.current else { return false }
        return place.watchedGroups.contains(group)
    }
}

extension Simulation {
    /// What a host does when its engine tells it something.
    func handle(_ event: NodeEvent, at place: NodePlace, _ engine: EngineHandle) {
        switch event {
        case .fact(let input, let time):
            self.judge(input, time: time, at: place, engine)
            if case .tick = input {
                self.onTick(time: time, at: place, engine)
            }
        case .member(let member, let news, let time):
            self.onMember(member, news, time: time, at: place, engine)
        case .delta(let news):
            if news.lane == .config {
                self.carryOut(place.configuration.handle(news), at: place, engine)
            }
        case .joined(let memberCount):
            place.isJoined = true
            self.tell { "\(place.name) joined \(memberCount) members" }
            let outcome = place.configuration.joined(memberCount: memberCount, time: place.clock(self.now))
            self.carryOut(outcome, at: place, engine)
        case .generation(let generation):
            place.generation = generation
            place.keptGeneration = max(place.keptGeneration, generation)
            self.tell { "\(place.name) goes on as generation \(generation)" }
            self.judge(.selfUpdated(name: place.name, generation: generation), time: place.clock(self.now), at: place, engine)
        case .stopped(let error):
            place.stopReason = "\(error)"
            self.tell { "\(place.name) stopped: \(error)" }
            self.end(place, as: .end)
        case .left:
            self.tell { "\(place.name) left" }
            self.end(place, as: .end)
        case .lagged, .load, .limit, .exchange, .seedFailed, .client: break
        }
        if let onEvent = self.onEvent {
            onEvent(place, event)
        }
    }

    func judge(_ input: DetectorInput, time: UInt64, at place: NodePlace, _ engine: EngineHandle) {
        let actions = place.judge(input, time: time)
        guard !actions.isEmpty else { return }
        if self.trace != nil {
            self.traceActions(actions, of: place)
        }
        engine.act(actions, now: place.clock(self.now))
    }

    private func traceActions(_ actions: [DetectorAction], of place: NodePlace) {
        for action in actions {
            switch action {
            case .probe(let target, let generation, _): self.tell { "\(place.name) probes \(target)@\(generation)" }
            case .probeThrough(let helper, let target, _): self.tell { "\(place.name) asks \(helper) to probe \(target)" }
            case .accuse(let target, _, let incarnation, let reason):
                self.tell { "\(place.name) accuses \(target) (incarnation \(incarnation)): \(reason)" }
            case .retract(let target): self.tell { "\(place.name) takes back its accusation of \(target)" }
            case .declareDead(let target, let generation, _, let reason):
                self.tell { "\(place.name) declares \(target)@\(generation) dead: \(reason)" }
            case .declareAlive(let target, _, _): self.tell { "\(place.name) declares \(target) alive" }
            case .declareSuspect(let target, _, _): self.tell { "\(place.name) suspects \(target)" }
            case .tick: break
            }
        }
    }

    private func onMember(_ member: GoferBroke.Member, _ news: MemberNews, time: UInt64, at place: NodePlace, _ engine: EngineHandle) {
        guard !member.isSelf else { return }
        switch news {
        case .forgotten:
            self.tell { "\(place.name) forgets \(member.name)@\(member.generation)" }
            // Whoever runs after all answers itself, and is learned from the beginning.
            place.seen[member.name] = nil
            place.forgotten[member.name] = Grave(member, at: place.clock(self.now))
        case .joined:
            self.checkGhost(member, at: place)
            if member.status >= .dead {
                self.tell { "\(place.name) hears of \(member.name)@\(member.generation), which is \(member.status)" }
            }
        case .restarted, .updated, .status: break
        }
        let input: DetectorInput = news == .forgotten ? .memberForgotten(name: member.name) : .memberUpdated(.init(member))
        self.judge(input, time: time, at: place, engine)
        if self.options.hasConfiguration {
            self.followConfiguration(of: member, news, at: place, engine)
        }
        // Who first hears of a member as dead repeats what another declared, who was looked at then: it joined after the death, or forgot
        // the member and hears of it again.
        if member.status == .dead, news == .status || (news == .joined && !self.isDeclaredDead(member)) {
            self.noteDeath(of: member, by: place)
        }
        if let onMember = self.onMember {
            onMember(place, member, news)
        }
    }

    private func followConfiguration(of member: GoferBroke.Member, _ news: MemberNews, at place: NodePlace, _ engine: EngineHandle) {
        if news == .forgotten || news == .restarted || member.status >= .dead {
            place.configuration.departed(member.name)
        } else if news == .status {
            // It may have been held for dead: what it publishes counts again.
            let deltas = engine.deltas(of: member.name, lane: .config) ?? []
            self.carryOut(place.configuration.handle(deltas), at: place, engine)
        } else {
            place.configuration.membersChanged()
        }
    }

    private func onTick(time: UInt64, at place: NodePlace, _ engine: EngineHandle) {
        guard self.options.hasConfiguration else { return }
        if !place.configuration.isSettled {
            self.carryOut(place.configuration.settleIfDue(time: time), at: place, engine)
        }
        guard time >= place.nextHousekeeping else { return }
        place.nextHousekeeping = time + 1_000_000
        let outcome = place.configuration.tick(time: time) { engine.members.filter { $0.status < .dead }.map(\.name) }
        self.carryOut(outcome, at: place, engine)
    }

    /// Publishes and applies what the configuration asks for.
    func carryOut(_ outcome: ClusterState.Outcome, at place: NodePlace, _ engine: EngineHandle) {
        let local = place.clock(self.now)
        for publication in outcome.publish {
            guard let bytes = try? publication.value.encoded() else { continue }
            // A node that leaves owes the cluster nothing: the next by name publishes it.
            try? engine.set(
                lane: .config,
                group: ClusterState.group,
                key: DeltaLabel(publication.key),
                type: .bytes,
                bytes: bytes,
                timeToLive: 0,
                now: local
            )
        }
        for key in outcome.withdraw {
            // Not found: it was never published in this life.
            try? engine.delete(lane: .config, group: ClusterState.group, key: DeltaLabel(key), now: local)
        }
        if !outcome.events.changedKeys.isEmpty {
            let configuration = place.configuration.configuration
            engine.configure(EngineSettings(configuration, leaveTimeout: Self.leaveTimeout), now: local)
            self.judge(.settingsChanged(DetectorSettings(configuration)), time: local, at: place, engine)
        }
        if let onConfiguration = self.onConfiguration {
            for event in outcome.events {
                onConfiguration(place, event)
            }
        }
    }
}
