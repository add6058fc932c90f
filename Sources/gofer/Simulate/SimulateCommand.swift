// SPDX-License-Identifier: Apache-2.0
// gofer simulate: named scenarios, swarms of random ones, and failed ones again.

internal import ArgumentParser
internal import GoferBroke
internal import GoferBrokeConfiguration
internal import GoferBrokeSimulation

/// `gofer simulate`
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Runs clusters in a made-up network and time, from a seed.",
        discussion: """
            The nodes are real: engines and failure detectors of this program. Network and clock are not, so thousands of nodes
            and hours of faults take seconds, and the same seed gives the same run.

            Examples:

              gofer simulate list
              gofer simulate silent-host --nodes 128
              gofer simulate killed-process --seed 7 --json
              gofer simulate swarm --seeds 1..300
              gofer simulate swarm --seeds 17..17 --trace
              gofer simulate replay failed.scenario --trace

            The exit code is 1 where a rule was broken or a figure missed.
            """,
        subcommands: [SimulateScenario.self, SimulateList.self, SimulateSwarm.self, SimulateReplay.self],
        defaultSubcommand: SimulateScenario.self
    )
}

/// `gofer simulate list`
struct SimulateList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Shows the scenarios.")

    @Flag(name: .long, help: "Print JSON.") var json = false

    func run() throws {
        if self.json {
            let list = Scenario.all.map { scenario in
                SimulationJSON.object([
                    ("name", .text(scenario.name)), ("summary", .text(scenario.summary)),
                    ("nodes", .number(Double(scenario.defaultNodes))),
                ])
            }
            return try Console.write("[" + list.joined(separator: ",") + "]\n")
        }
        var table = Table(columns: [.fixed("SCENARIO"), .fixed("NODES", right: true), .flexible("SHOWS", least: 20)])
        for scenario in Scenario.all {
            table.rows.append([Table.Cell(scenario.name), Table.Cell("\(scenario.defaultNodes)"), Table.Cell(scenario.summary)])
        }
        try Console.write(table.rendered(for: Terminal.current()))
    }
}

/// `gofer simulate NAME`
struct SimulateScenario: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs a scenario by its name; the word run can be left out."
    )

    @Argument(help: "The scenario; `gofer simulate list` shows them.") var name: String
    @Option(name: .long, help: "How many nodes, 1 to 16384; the scenario's own number without it.") var nodes: Int?
    @Option(name: .long, help: "The seed of all that is random.") var seed: UInt64 = 1
    @Option(name: .long, help: ArgumentHelp("How long the scenario's main part lasts in the simulation.", valueName: "duration"))
    var duration: String?
    @Option(name: .long, help: ArgumentHelp("Keys of each node (scenarios of the paper).", valueName: "n")) var keys: Int?
    @Option(name: .long, help: ArgumentHelp("Deltas in a message at most (scenarios of the paper).", valueName: "n")) var limit: Int?
    @Option(name: .long, help: ArgumentHelp("depth or breadth (scenarios of the paper).", valueName: "order")) var order: String?
    @Flag(name: .long, help: "Push changes eagerly instead of the paper's mode.") var push = false
    @Flag(name: .long, help: "Print JSON.") var json = false
    @Flag(name: .long, help: "Print what happens on standard error, line by line.") var trace = false

    func run() throws {
        guard let scenario = Scenario.named(self.name) else {
            let known = Scenario.all.map(\.name).joined(separator: ", ")
            throw CommandFailure.usage("there is no scenario \(self.name.shown()); there are \(known)")
        }
        if let nodes = self.nodes, !(1...16_384).contains(nodes) {
            throw CommandFailure.usage("--nodes must be 1 to 16384, and \(nodes) is not")
        }
        let progress = ProgressBar(isShown: !self.trace)
        let result = scenario.run(try self.options(progress))
        progress.end()
        if self.json {
            try Console.write(SimulationJSON.text(of: result) + "\n")
        } else {
            try Console.write(SimulationText.text(of: result, for: Terminal.current()))
        }
        guard result.violations.isEmpty else {
            let count = result.violations.count
            throw CommandFailure(
                .failed,
                .failed,
                "\(self.name): \(count == 1 ? "one violation" : "\(count) violations"), seed \(self.seed)"
            )
        }
    }

    private func options(_ progress: ProgressBar) throws -> ScenarioOptions {
        var options = ScenarioOptions(seed: self.seed)
        options.nodes = self.nodes
        if let duration = self.duration {
            options.duration = .milliseconds(Int64(clamping: try ValueInput.milliseconds(duration, "--duration")))
        }
        if let order = self.order, order != "depth", order != "breadth" {
            throw CommandFailure.usage("--order must be depth or breadth, and \(order.shown()) is neither")
        }
        for (name, value) in [("--keys", self.keys), ("--limit", self.limit)] {
            if let value, value < 1 { throw CommandFailure.usage("\(name) must be at least 1, and \(value) is not") }
        }
        options.extra["keys"] = self.keys.map(String.init)
        options.extra["limit"] = self.limit.map(String.init)
        options.extra["order"] = self.order
        options.extra["push"] = self.push ? "on" : nil
        if self.trace {
            options.trace = { Console.complain($0) }
        }
        options.progress = { progress.show($0) }
        return options
    }
}

/// `gofer simulate swarm`
struct SimulateSwarm: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swarm",
        abstract: "Runs random clusters with random faults, each followed by a calm in which all must agree.",
        discussion: """
            The first seed that fails is printed with its scenario, which `gofer simulate replay` runs again as it is printed.

            Examples:

              gofer simulate swarm --seeds 1..300
              gofer simulate swarm --seeds 17..17 --trace
            """
    )

    @Option(name: .long, help: ArgumentHelp("Which seeds, first and last.", valueName: "a..b")) var seeds: String
    @Flag(name: .long, help: "Print JSON.") var json = false
    @Flag(name: .long, help: "Print what happens on standard error, line by line.") var trace = false
    @Flag(name: .long, help: "Go on after a seed has failed.") var keepGoing = false

    func run() throws {
        let range = try self.range()
        let progress = ProgressBar(isShown: !self.trace)
        var swarm = SwarmReport(first: range.lowerBound, last: range.upperBound)
        let clock = ContinuousClock()
        let begin = clock.now
        for seed in range {
            let scenario = FaultScenario.random(seed: seed)
            let trace: ((String) -> Void)? = self.trace ? { Console.complain($0) } : nil
            swarm.add(seed, scenario, scenario.run(trace: trace))
            progress.show(Double(seed - range.lowerBound + 1) / Double(range.count))
            if !swarm.failures.isEmpty, !self.keepGoing { break }
        }
        progress.end()
        swarm.wall = begin.duration(to: clock.now)
        try Console.write(self.json ? swarm.json + "\n" : swarm.text(for: Terminal.current()))
        try swarm.failIfBroken()
    }

    private func range() throws -> ClosedRange<UInt64> {
        let parts = self.seeds.split(separator: ".", omittingEmptySubsequences: true)
        let isSingle = !self.seeds.contains("..") && parts.count == 1
        guard let first = parts.first.flatMap({ UInt64($0) }), let last = parts.last.flatMap({ UInt64($0) }),
            isSingle || (parts.count == 2 && self.seeds == "\(first)..\(last)"), first <= last, last - first < 10_000_000
        else {
            throw CommandFailure.usage("--seeds must be two numbers as 1..300, and \(self.seeds.shown()) is not")
        }
        return first...last
    }
}

/// `gofer simulate replay`
struct SimulateReplay: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Runs a scenario of faults as it was printed.",
        discussion: "The file holds what a failed swarm printed: one line for each setting and each fault."
    )

    @Argument(help: "The file; - is standard input.") var file: String
    @Flag(name: .long, help: "Print JSON.") var json = false
    @Flag(name: .long, help: "Print what happens on standard error, line by line.") var trace = false

    func run() throws {
        let text = try self.text()
        let scenario: FaultScenario
        do throws(FaultScenarioError) {
            scenario = try FaultScenario(text)
        } catch {
            throw CommandFailure(.failed, .failed, "\(self.file.shown()): \(error.description.shown())")
        }
        let trace: ((String) -> Void)? = self.trace ? { Console.complain($0) } : nil
        var swarm = SwarmReport(first: scenario.seed, last: scenario.seed)
        let clock = ContinuousClock()
        let begin = clock.now
        swarm.add(scenario.seed, scenario, scenario.run(trace: trace))
        swarm.wall = begin.duration(to: clock.now)
        try Console.write(self.json ? swarm.json + "\n" : swarm.text(for: Terminal.current()))
        try swarm.failIfBroken()
    }

    /// Far more than the longest scenario that is printed.
    private static let fileSizeMax = 1 << 20

    private func text() throws(CommandFailure) -> String {
        let path = self.file == "-" ? "/dev/stdin" : self.file
        do {
            let bytes = try LocalConfigurationFileSystem().contents(of: path, limit: Self.fileSizeMax)
            guard bytes.count <= Self.fileSizeMax, let text = String(validating: bytes, as: UTF8.self) else {
                throw CommandFailure(.failed, .failed, "\(self.file.quoted) is no scenario: it is too long, or not UTF-8")
            }
            return text
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(.failed, .failed, "cannot read \(self.file.quoted): \(error)")
        }
    }
}
