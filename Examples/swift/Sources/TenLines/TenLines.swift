// SPDX-License-Identifier: Apache-2.0
// A member of the cluster "shop" in ten lines: TenLines NAME [SEED…]

import GoferBroke
import Logging
import ServiceLifecycle

extension DeltaKey where Value == Int {
    static var visitors: Self { .init("shop", "visitors") }
}

@main struct TenLines {
    static func main() async throws {
        let logger = Logger(label: "ten-lines")
        let seeds = CommandLine.arguments.dropFirst(2).compactMap { Endpoint($0) }
        let node = try GossipNode(configuration: .init(cluster: "shop", name: CommandLine.arguments[1], seeds: seeds), logger: logger)
        async let life: Void = ServiceGroup(services: [node], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger).run()
        try await node.set(.visitors, to: 1)
        for await change in node.changes(of: .visitors) {
            logger.info("\(change.participant) has \(change.value.map(String.init) ?? "no") visitors")
        }
        try await life
    }
}
