// SPDX-License-Identifier: Apache-2.0
// Where addresses of seeds come from, if not from the configuration.

public import GoferBrokeConfiguration

/// A source of seeds: a service registry, an API of a cloud, a file.
///
/// It is asked at the start, again with growing pauses until the node has joined, and then each few minutes. Its answer is added
/// to the seeds of the configuration. An error is logged, and what it gave before stays.
public protocol SeedProvider: Sendable {
    /// The addresses to try now; at most 64 are used, those of the configuration first.
    func seeds() async throws -> [Endpoint]
}
