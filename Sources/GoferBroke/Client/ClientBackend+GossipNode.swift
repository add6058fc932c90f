// SPDX-License-Identifier: Apache-2.0
// How a node serves its client door.

internal import GoferBrokeConfiguration

extension GossipNode: ClientBackend {
    package func clientMembers() -> MembersAnswer {
        MembersAnswer(cluster: self.cluster, selfName: self.name, members: self.members)
    }

    package func clientValue(node: String?, group: DeltaLabel, key: DeltaLabel) throws(ClientFailure) -> DeltaAnswer {
        let owner = node ?? self.name
        // Facts of machines stand in a lane of their own, with a group that applications can't use; whoever did all the same, in
        // a journal of an earlier version say, hides no fact.
        let lanes: [DeltaLane] = group == SystemFacts.group ? [.system, .user] : [.user, .system]
        for lane in lanes {
            if let delta = self.delta(group: group, key: key, from: owner, lane: lane) { return DeltaAnswer(delta) }
        }
        guard self.member(named: owner) != nil else { throw GossipNode.unknown(owner) }
        throw ClientFailure(.notFound, "\(owner.clientQuoted) has no key \(key.clientQuoted) in group \(group.clientQuoted)")
    }

    package func clientSet(
        group: DeltaLabel,
        key: DeltaLabel,
        type: DeltaValueType,
        bytes: [UInt8],
        timeToLive: Duration?
    ) async throws(ClientFailure) -> DeltaAnswer {
        // From before the change is made, so that nothing is missed.
        let news = self.hub.subscribeToNews(of: ChangeFilter(group: group, key: key))
        defer { self.hub.unsubscribe(news.id) }
        do {
            try await self.set(group: group, key: key, type: type, bytes: bytes, expiresAfter: timeToLive)
        } catch {
            throw ClientFailure(error)
        }
        let versioned = await self.ownDelta(group: group, key: key, news: news.mailbox) { $0.type == type && $0.bytes == bytes }
        if let versioned { return DeltaAnswer(versioned) }
        return DeltaAnswer(
            Delta(
                participant: self.name,
                generation: self.generation,
                group: group,
                key: key,
                version: 0,
                type: type,
                bytes: bytes,
                timeToLive: timeToLive
            )
        )
    }

    /// For how long a client that sets waits for the version. It is given on the loop, as a rule within a millisecond; while
    /// changes are paced it takes longer, and the answer does not wait for that.
    private static let versionPatience = Duration.milliseconds(100)

    /// An own delta with its version; nil where it has none in time, or another value has taken its place.
    private func ownDelta(
        group: DeltaLabel,
        key: DeltaLabel,
        news: Mailbox<Bell>,
        isMeant: (Delta) -> Bool
    ) async -> Delta? {
        let patience = Task {
            guard (try? await Task.sleep(for: Self.versionPatience)) != nil else { return }
            news.finish()
        }
        defer { patience.cancel() }
        var isOver = false
        while true {
            guard let delta = self.delta(group: group, key: key), isMeant(delta) else { return nil }
            if delta.version > 0 { return delta }
            if isOver { return nil }
            isOver = await news.next() == nil
        }
    }

    package func clientDelete(group: DeltaLabel, key: DeltaLabel) async throws(ClientFailure) -> KeyAnswer {
        do {
            try await self.delete(group: group, key: key)
        } catch {
            guard error.code == .notFound else { throw ClientFailure(error) }
            // There may well be a fact with this key, which `get` shows: that there is none would be wrong.
            if group == SystemFacts.group { throw ClientFailure(SystemFacts.reserved("delete \(group):\(key)")) }
            throw ClientFailure(.notFound, "\(self.name.clientQuoted) has no key \(key.clientQuoted) in group \(group.clientQuoted)")
        }
        return KeyAnswer(node: self.name, group: group, key: key, generation: self.generation)
    }

    package func clientInfo(started: ClientTime) -> InfoAnswer {
        var addresses = self.nodeConfiguration.advertiseAddresses.map(\.description)
        if addresses.isEmpty {
            let host = self.nodeConfiguration.host
            addresses = [self.member(named: self.name)?.address ?? Endpoint(host: host, port: self.port)].map(\.description)
        }
        return InfoAnswer(
            cluster: self.cluster,
            node: self.name,
            generation: self.generation,
            addresses: addresses,
            started: started,
            version: CoreVersion.text,
            statistics: self.statistics
        )
    }

    package func clientExplanation(of node: String) throws(ClientFailure) -> ExplainAnswer {
        guard let member = self.member(named: node) else { throw GossipNode.unknown(node) }
        return ExplainAnswer(member: member, story: self.explain(node))
    }

    private static func unknown(_ node: String) -> ClientFailure {
        ClientFailure(.unknownNode, "no member is called \(node.clientQuoted)")
    }

    package func clientConfiguration() -> ConfigurationAnswer {
        let (configuration, winners) = self.clusterState.withLock { ($0.configuration, $0.replicated.entries) }
        let entries = configuration.entries.map { entry in
            ConfigurationAnswer.Entry(
                key: entry.key.path,
                value: entry.text,
                defaultValue: entry.key.defaultText,
                live: entry.key.change == .live,
                stamp: winners[entry.key.path]?.stamp.number,
                writer: winners[entry.key.path]?.stamp.writer
            )
        }
        return ConfigurationAnswer(cluster: self.cluster, entries: entries)
    }

    package func clientConfigure(key: String, text: String) async throws(ClientFailure) -> ConfigurationSetAnswer {
        let old = self.configuration
        do {
            try await self.changeConfiguration(key, to: text)
        } catch {
            throw ClientFailure(error)
        }
        let path = ConfigurationKeys.key(key, in: .cluster)?.aliasOf ?? key
        let value = try? self.configuration.value(forKey: path)
        return ConfigurationSetAnswer(key: path, value: value ?? text, before: (try? old.value(forKey: path)) ?? "")
    }

    package func clientLeaveAnswer() -> LeaveAnswer {
        LeaveAnswer(node: self.name)
    }

    package func clientLeave() async {
        await self.leave()
    }

    package func clientWatch(group: DeltaLabel?, key: DeltaLabel?, deliver: @Sendable (ClientItem) async -> Bool) async {
        let changes: DeltaChanges
        if let group, let key {
            changes = self.changes(group: group, key: key)
        } else if let group {
            changes = self.changes(group: group)
        } else {
            changes = self.changes()
        }
        for await change in changes {
            guard await deliver(ClientItem(change)) else { return }
        }
    }

    package func clientEvents(deliver: @Sendable (ClientItem) async -> Bool) async {
        for await event in self.events {
            guard await deliver(ClientItem(event, cluster: self.cluster, selfName: self.name)) else { return }
        }
    }
}

extension DeltaLabel {
    /// The label in quotes, safe, for a sentence.
    fileprivate var clientQuoted: String { self.description.clientQuoted }
}
