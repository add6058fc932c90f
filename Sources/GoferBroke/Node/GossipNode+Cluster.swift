// SPDX-License-Identifier: Apache-2.0
// What a node knows of the cluster, why, and the cluster configuration.

internal import GoferBrokeConfiguration
internal import GoferBrokeMembership

extension GossipNode {
    /// Everybody known, self included: a consistent picture, in the order of the names' bytes.
    public var members: [Member] {
        let reports = Dictionary(self.detector.reports().map { (NodeName($0.name), $0) }) { first, _ in first }
        let links = self.handle.statistics().linksOpen
        return self.handle.members()
            .map { $0.completed(by: reports[NodeName($0.name)], ownLinks: links) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// A member by name; nil if nobody has it.
    public func member(named name: String) -> Member? {
        self.members.first { NodeName($0.name) == NodeName(name) }
    }

    /// How suspicious a member's silence is now; 0 for self, for those without a link to this node, and for unknown names.
    public func phi(of name: String) -> Double {
        self.detector.phi(of: name)
    }

    /// Counters since the start, at most 100 ms old.
    public var statistics: NodeStatistics {
        self.handle.statistics()
    }

    /// Which life of the node this is. It grows at each start, and rarely in between.
    public var generation: UInt64 {
        self.handle.generation
    }

    /// What this node knows of a member and why, as lines for people: how it stands, on whose word, and the story of what was
    /// seen of it. Empty if the name is not known.
    public func explain(_ name: String) -> [String] {
        guard let member = self.member(named: name) else { return [] }
        return self.detector.explanation(of: name).lines(of: member)
    }

    /// What happens in the cluster: a snapshot first, then changes. See ``GossipEvents`` for bounds and lag.
    public var events: GossipEvents {
        GossipEvents(node: self)
    }

    // MARK: Configuration

    /// The cluster configuration in force: the cluster's, once the node is part of one.
    public var configuration: ClusterConfiguration {
        self.inForce.withLock { $0.configuration }
    }

    /// Changes a key of the cluster configuration for every node.
    ///
    /// Waits until the node knows the cluster's configuration. When it returns, the change is in force on this node and on its
    /// way to the others; one made at the same time elsewhere may still win, which
    /// ``GossipEvent/configurationSuperseded(key:lost:by:)`` tells.
    ///
    /// - Parameters:
    ///   - key: The path, such as `Cluster.PhiThreshold`.
    ///   - text: The value as it stands in a file.
    /// - Throws: ``GoferBrokeError`` with code `configuration`: an unknown key (the nearest is named), a wrong value, a key that
    ///   counts only from the start; `closed` and `cancelled`.
    public func changeConfiguration(_ key: String, to text: String) async throws(GoferBrokeError) {
        let operation = "set \(key) of the cluster configuration"
        guard await self.settled.next() != nil else {
            guard !Task.isCancelled else {
                throw GoferBrokeError(code: .cancelled, operation: operation, reason: "the task was cancelled")
            }
            throw GoferBrokeError.closed(operation)
        }
        let result = self.clusterState.withLock { state -> Result<ClusterState.Outcome, ConfigurationError> in
            do throws(ConfigurationError) {
                return .success(try state.change(key, to: text))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let outcome): self.carryOut(outcome)
        case .failure(let error): throw GoferBrokeError(error, operation: operation)
        }
    }

    // MARK: Clients

    /// Answers a client: the last or only answer, or one element of a stream.
    ///
    /// - Throws: ``GoferBrokeError``: `queueFull` (the client reads too slowly; nothing was queued), `closed` (it is gone),
    ///   `tooBig`.
    package func sendToClient(link: UInt64, requestID: UInt32, payload: [UInt8], isLast: Bool) throws(GoferBrokeError) {
        try self.handle.sendToClient(link: link, requestID: requestID, payload: payload, isLast: isLast)
    }
}
