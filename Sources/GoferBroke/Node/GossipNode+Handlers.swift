// SPDX-License-Identifier: Apache-2.0
// Runs handlers, each in a task of its own.

internal import Logging

extension GossipNode {
    /// Begins to run a handler; it ends with the node. See ``GossipHandler``.
    public func add(_ handler: some GossipHandler) {
        let filter = ChangeFilter(group: handler.keyGroup)
        let (id, inbox) = self.hub.subscribeHandler(filter)
        let subscription = Subscription(id, of: self.hub)
        let runner = HandlerRunner(handler: handler, filter: filter, inbox: inbox, logger: self.logger)
        self.keep(
            Task { [node = WeakNode(self)] in
                await runner.run(node)
                withExtendedLifetime(subscription) {}
            }
        )
    }
}

/// Takes from a handler's inbox and calls it.
private struct HandlerRunner: Sendable {
    let handler: any GossipHandler
    let filter: ChangeFilter
    let inbox: Mailbox<HandlerInbox>
    let logger: Logger

    /// Until the node has stopped. The node is held during a call alone.
    func run(_ weakNode: WeakNode) async {
        while let step = await self.inbox.next() {
            guard let node = weakNode.node else { return }
            do {
                try await self.carryOut(step, on: node)
            } catch {
                if error is CancellationError, Task.isCancelled { return }
                self.logger.error(
                    "a handler failed, going on",
                    metadata: ["group": "\(self.handler.keyGroup)", "handler": "\(type(of: self.handler))", "error": "\(error)"]
                )
            }
        }
    }

    private func carryOut(_ step: HandlerInbox.Step, on node: GossipNode) async throws {
        switch step {
        case .members:
            let members = node.handle.members()
            self.inbox.update { inbox in
                for member in members {
                    inbox.offer(member)
                }
            }
        case .list(let mark):
            let deltas = node.deltas(matching: self.filter)
            self.inbox.update { $0.merge(deltas, mark: mark) }
        case .call(let call):
            try await self.handler.take(call, on: node)
        }
    }
}
