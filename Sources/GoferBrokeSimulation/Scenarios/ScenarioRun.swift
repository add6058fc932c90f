// SPDX-License-Identifier: Apache-2.0
// What a named scenario is, and what it leaves behind.

internal import GoferBroke
internal import GoferBrokeMembership

/// A figure of a scenario.
public enum Metric: Sendable, Hashable {
    /// One number; nil is printed as null: it was never reached.
    case number(Double?)
    /// A curve: element i is the value at the end of virtual second i, unless the scenario says otherwise.
    case curve([Double])
}

/// How a scenario is run.
public struct ScenarioOptions: Sendable {
    /// How many nodes; nil: the scenario's own number.
    public var nodes: Int?
    /// Of all randomness.
    public var seed: UInt64
    /// How long the scenario's main part lasts; nil: its own time.
    public var duration: Duration?
    /// Values of options that only some scenarios have, by name.
    public var extra: [String: String] = [:]
    /// Takes each line of the trace.
    public var trace: (@Sendable (String) -> Void)?
    /// Told now and then how much of the scenario is done, 0 to 1.
    public var progress: (@Sendable (Double) -> Void)?

    /// The scenario's own numbers with a seed.
    public init(seed: UInt64 = 1) {
        self.seed = seed
    }
}

/// What a scenario found.
public struct ScenarioResult: Sendable {
    /// The scenario's name.
    public var scenario: String
    /// How many nodes it had.
    public var nodes: Int
    /// Its seed.
    public var seed: UInt64
    /// How long it lasted in the simulation.
    public var virtualSeconds: Double
    /// How long it took.
    public var wallSeconds: Double
    /// Rules that were broken; empty when all is well.
    public var violations: [Violation]
    /// Deaths of nodes that ran unfrozen, joined to the one who declared it by a path of live nodes for the last 8 s.
    public var falseDeathsAtHealthy: Int
    /// Figures by name, in the order in which they were stated.
    public var metrics: [(name: String, value: Metric)]
}

/// A run of a scenario while it lasts.
final class ScenarioRun {
    let options: ScenarioOptions
    let nodeCount: Int
    var metrics: [(name: String, value: Metric)] = []
    var violations: [Violation] = []
    var falseDeaths = 0
    var virtualSeconds = 0.0

    init(_ options: ScenarioOptions, nodeCount: Int) {
        self.options = options
        self.nodeCount = nodeCount
    }

    func report(_ name: String, _ value: Double?) {
        self.metrics.append((name, .number(value)))
    }

    func report(_ name: String, curve: [Double]) {
        self.metrics.append((name, .curve(curve)))
    }

    /// States a figure that must not be over `bound`.
    func report(_ name: String, _ value: Double?, atMost bound: Double) {
        self.report(name, value)
        guard value.map({ $0 > bound }) ?? true else { return }
        let text = "\(name) is \(value.map { "\($0)" } ?? "not reached"), and must be at most \(bound)"
        self.violations.append(Violation(kind: .figure, time: self.virtualSeconds, observer: "scenario", text: text))
    }

    func progress(_ share: Double) {
        self.options.progress?(share)
    }

    /// A simulation of this run. Use ``finish(_:)`` at its end.
    func makeSimulation(
        seed: UInt64? = nil,
        checks: CheckLevel = .atEnd,
        _ change: (inout SimulationOptions) -> Void = { _ in }
    ) -> Simulation {
        var options = SimulationOptions(seed: seed ?? self.options.seed)
        options.checks = checks
        options.hasConfiguration = false
        change(&options)
        let simulation = Simulation(options)
        if let trace = self.options.trace {
            simulation.trace = { time, line in
                let millis = (time - 1_000_000) / 1_000
                trace("[\(millis / 1_000).\(String(millis % 1_000 + 1_000).dropFirst())] \(line)")
            }
        }
        // A scenario states all that went wrong, not the first thing alone.
        simulation.deaths.isFatal = false
        return simulation
    }

    /// Builds the cluster of a part of the scenario. False: it did not come together, which is noted and ends the part.
    func build(_ simulation: Simulation, _ part: String = "scenario", nodes: Int? = nil) -> Bool {
        if simulation.buildCluster(nodes ?? self.nodeCount) != nil { return true }
        simulation.violate(Violation(kind: .disagreement, observer: part, text: "the cluster did not come together"))
        self.finish(simulation)
        return false
    }

    /// Takes over what a simulation found.
    func finish(_ simulation: Simulation) {
        self.violations += simulation.violations
        self.falseDeaths += simulation.deaths.falseDeaths.count
        self.virtualSeconds += simulation.seconds
        for death in simulation.deaths.falseDeaths.prefix(3) {
            let (observer, target) = (simulation.places[Int(death.observer)].name, simulation.places[Int(death.target)].name)
            let seconds = Double(death.time - 1_000_000) / 1e6
            let text = "\(target)@\(death.generation) runs and can be reached"
            self.violations.append(Violation(kind: .falseDeath, time: seconds, observer: observer, text: text))
        }
    }
}

extension Simulation {
    /// Starts `count` nodes within `spread`, which join through the first `seedCount`, and runs until all know all.
    /// Nil: they did not come together within `bound`.
    func buildCluster(
        _ count: Int,
        seedCount: Int = 3,
        spread: Duration = .seconds(1),
        within bound: Duration = .seconds(120)
    ) -> Duration? {
        let places = (0..<count).map { self.addPlace("n\($0)") }
        let seeds = places.prefix(seedCount).map(\.slot)
        for (number, place) in places.enumerated() {
            // The first one begins the cluster; all others find it through the seeds.
            let own = number == 0 ? [] : seeds.filter { $0 != place.slot }
            let pause = number == 0 ? 0 : Int64(self.roll { $0.below(UInt64(max(spread.micros, 1))) })
            self.schedule(after: .microseconds(pause)) { $0.start(place, Start(seeds: own)) }
        }
        let begin = self.now
        self.run(for: spread)
        guard self.run(within: bound, step: .milliseconds(100), until: { self.isConverged(count) }) else { return nil }
        return .microseconds(Int64(self.now - begin))
    }

    /// Whether all that run know the same, and as many live members as there are.
    func isConverged(_ count: Int) -> Bool {
        let running = self.running
        guard running.count == count, let hash = running.first?.engine?.mapHash else { return false }
        for place in running where place.engine?.mapHash != hash {
            return false
        }
        return running.allSatisfy { place in
            guard let statistics = place.engine?.statistics else { return false }
            return statistics.membersAlive == count
        }
    }
}

/// Numbers of a sample.
enum Sample {
    static func median(_ values: [Double]) -> Double? {
        self.quantile(0.5, of: values)
    }

    /// The least value that at least a share `q` of all does not exceed (nearest rank).
    static func quantile(_ q: Double, of values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let rank = Int((q * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank, 1), sorted.count) - 1]
    }

    static func mean(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
}
