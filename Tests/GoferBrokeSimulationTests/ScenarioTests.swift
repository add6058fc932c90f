// SPDX-License-Identifier: Apache-2.0

import Foundation
import GoferBrokeSimulation
import Testing

/// Scenarios of faults: their printed form, random ones, and those that once went wrong.
@Suite(.serialized, .timeLimit(.minutes(10))) struct ScenarioTests {
    // MARK: The printed form

    @Test func whatIsPrintedIsReadBack() throws {
        for seed in UInt64(1)...200 {
            let scenario = FaultScenario.random(seed: seed)
            #expect(try FaultScenario(scenario.description) == scenario, "seed \(seed)")
        }
    }

    @Test(arguments: [
        Fault.kill(1), .cutPower(2), .leave(3), .start(4, keepsData: true, isMoved: false), .start(4, keepsData: false, isMoved: true),
        .freeze(1, .milliseconds(1_500)), .slow(1, .zero), .jump(2, ahead: .seconds(3), timeOfDay: .seconds(-7)),
        .split([[0, 1], [2], [3, 4]]), .cut(1, 2), .mend(1, 2), .loss(0.25), .lossAt(1, inbound: 0.5, outbound: 0),
        .lossBetween(1, 2, 1), .far(3, .microseconds(12_345)), .heal, .resetConnection(4), .write(1, key: 2, size: 300, timeToLive: .zero),
        .delete(1, key: 2), .configure(1, key: "Cluster.PhiThreshold", value: "9"),
    ])
    func eachFaultIsReadBack(fault: Fault) {
        #expect(Fault(fault.description) == fault)
        #expect(Fault(fault.description + " 1") == nil, "one word too many")
        let words = fault.description.split(separator: " ")
        if words.count > 1 {
            #expect(Fault(words.dropLast().joined(separator: " ")) == nil, "one word too few")
        }
    }

    @Test func emptyLinesAndRemarksArePassedOver() throws {
        let scenario = try FaultScenario("# what it was\n\nseed 3\nnodes 5\n1.0s kill 4\n2.0s calm\n")
        #expect(scenario.seed == 3 && scenario.nodes == 5 && scenario.steps.count == 1 && scenario.calmAt == .seconds(2))
    }

    @Test(arguments: [
        "jump", "seed", "seed x", "seed 1 2", "seed -1", "nodes many", "nodes 3 4", "latency 5", "latency s", "latency 1e300s",
        "latency nans", "push maybe", "behind-nat -1", "1.0s", "1.0s explode 1", "1.0s kill", "1.0s kill x", "1.0s kill -1",
        "1.0s kill 1 2", "1.0s loss 2", "1.0s loss -0.1", "1.0s loss nan", "1.0s split 0,x|1", "1.0s start 1 with-data",
        "1.0s freeze 1 2", "1.0s write 1 2 3", "calm", "s kill 1", "1.0s  ",
    ])
    func aDamagedLineIsNamed(line: String) {
        let error = #expect(throws: FaultScenarioError.self, "\(line)") {
            try FaultScenario("seed 1\nnodes 5\n# a remark\n\(line)\n9.0s calm\n")
        }
        #expect(error?.line == 4, "\(line)")
        #expect(error?.text == line)
    }

    @Test(arguments: [
        "", "seed 1\n", "seed 1\nnodes 0\n", "seed 1\nnodes 1001\n", "seed 1\nnodes 3\n1.0s kill 3\n", "nodes 3\nbehind-nat 3\n",
    ])
    func aScenarioThatCantBeIsRefused(text: String) {
        let error = #expect(throws: FaultScenarioError.self) { try FaultScenario(text) }
        #expect(error?.line == 0)
    }

    // MARK: Running them

    /// The first ten seeds with clusters of at most eight nodes: what a build without optimization runs in seconds. Thousands of all sizes
    /// are the matter of `gofer simulate swarm`.
    private static let smallSeeds = (UInt64(1)...1_000).filter { FaultScenario.random(seed: $0).nodes <= 8 }.prefix(10)

    @Test(arguments: Self.smallSeeds) func randomFaultsBreakNoRule(seed: UInt64) {
        let outcome = FaultScenario.random(seed: seed).run()
        #expect(outcome.violations.isEmpty, "seed \(seed)")
        #expect(outcome.calm != nil, "seed \(seed)")
    }

    /// Files of scenarios that went wrong once: each begins with a remark that says how. `scripts/test simulate` replays them, in the
    /// build with optimization.
    @Test func regressionsSayWhatWentWrong() throws {
        let files = try Self.regressions()
        #expect(!files.isEmpty)
        for file in files {
            let text = try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8)
            #expect(text.hasPrefix("# "), "\(file): a remark says what went wrong")
            #expect(throws: Never.self, "\(file)") { try FaultScenario(text) }
        }
    }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Regressions")

    private static func regressions() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: self.folder.path).filter { $0.hasSuffix(".scenario") }.sorted()
    }
}
