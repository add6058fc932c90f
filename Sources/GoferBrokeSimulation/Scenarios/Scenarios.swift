// SPDX-License-Identifier: Apache-2.0
// The scenarios by name.

/// A scenario that can be run by its name.
public struct Scenario: Sendable {
    /// Its name, as `gofer simulate` takes it.
    public let name: String
    /// One line of what it shows.
    public let summary: String
    /// How many nodes it has unless told otherwise.
    public let defaultNodes: Int
    let body: @Sendable (ScenarioRun) -> Void

    init(_ name: String, _ summary: String, nodes: Int, _ body: @escaping @Sendable (ScenarioRun) -> Void) {
        self.name = name
        self.summary = summary
        self.defaultNodes = nodes
        self.body = body
    }

    /// All of them, in the order in which they are listed.
    public static let all: [Scenario] = [
        .idle, .killedProcess, .silentHost, .freezes, .loss, .lossyMinority, .flipFlop, .massCrash, .startStorm, .splitHeal,
        .sickAccuser, .ghosts, .linkChurn, .bigJoiner, .paperReconciliation, .paperFlowControl,
    ]

    /// The scenario with that name; nil if there is none.
    public static func named(_ name: String) -> Scenario? {
        self.all.first { $0.name == name }
    }

    /// Runs it to its end. The same options give the same result, but for the time it takes.
    public func run(_ options: ScenarioOptions) -> ScenarioResult {
        let run = ScenarioRun(options, nodeCount: options.nodes ?? self.defaultNodes)
        let clock = ContinuousClock()
        let wall = clock.measure { self.body(run) }
        return ScenarioResult(
            scenario: self.name,
            nodes: run.nodeCount,
            seed: options.seed,
            virtualSeconds: run.virtualSeconds,
            wallSeconds: wall.inSeconds,
            violations: run.violations,
            falseDeathsAtHealthy: run.falseDeaths,
            metrics: run.metrics
        )
    }
}
