// SPDX-License-Identifier: Apache-2.0
// Seeds: from the configuration, from a provider, and of a node that may begin a cluster itself.

internal import GoferBrokeConfiguration
internal import Logging

extension GossipNode {
    /// Replaces the seeds of the configuration, as after it was read again.
    ///
    /// - Throws: ``GoferBrokeError``: there are more than 64, or the node has stopped.
    public func setSeeds(_ seeds: [Endpoint]) throws(GoferBrokeError) {
        let list = try Self.checked(seeds)
        self.state.withLock { $0.seeds = list }
        try self.handle.setSeeds(list)
    }

    static func checked(_ seeds: [Endpoint]) throws(GoferBrokeError) -> [Endpoint] {
        guard seeds.count <= NodeConfiguration.seedCountMax else {
            let reason = "\(seeds.count) seeds are given, and at most \(NodeConfiguration.seedCountMax) are tried"
            throw GoferBrokeError(code: .configuration, operation: "set the seeds", reason: reason)
        }
        return seeds
    }

    /// Asks the provider: with growing pauses until the node has joined, then each few minutes. Ends with the task.
    static func refreshSeeds(of weakNode: WeakNode, from provider: any SeedProvider) async {
        var pause = Duration.milliseconds(250)
        while !Task.isCancelled {
            guard let node = weakNode.node else { return }
            do {
                let given = try await provider.seeds()
                let own = node.state.withLock { $0.seeds }
                let all = own + given.filter { !own.contains($0) }
                let tried = Array(all.prefix(NodeConfiguration.seedCountMax))
                if tried.count < all.count {
                    let metadata: Logger.Metadata = ["given": "\(all.count)", "tried": "\(tried.count)"]
                    node.logger.warning("the seed provider gives more seeds than are tried", metadata: metadata)
                }
                try node.handle.setSeeds(tried)
            } catch let error as GoferBrokeError where error.code == .closed {
                return
            } catch {
                node.logger.warning("the seed provider failed", metadata: ["error": "\(error)"])
            }
            let isJoined = node.state.withLock { $0.isJoined }
            pause = isJoined ? .seconds(180) : min(pause * 2, .seconds(30))
            guard (try? await Task.sleep(for: pause)) != nil else { return }
        }
    }

    func onSeedFailed(_ seed: Endpoint, _ error: GoferBrokeError) {
        let (isNew, mayFound) = self.state.withLock { state in
            let isNew = state.seedsComplainedAbout.updateValue(error.code, forKey: seed) != error.code
            return (isNew, state.beginsCluster(isSeed: self.nodeConfiguration.isSeed))
        }
        self.logger.log(
            level: isNew ? .notice : .debug,
            "seed failed, trying again",
            metadata: ["seed": "\(seed)", "error": "\(error.reason)"]
        )
        self.hub.tell(.seedFailed(seed, error))
        if mayFound {
            // A seed begins a cluster when nobody answers. Without seeds joining is done at once; they are tried again after.
            try? self.handle.setSeeds([])
            try? self.handle.join()
        }
    }
}
