// SPDX-License-Identifier: Apache-2.0
// What simulations found, for people and for programs.

internal import GoferBroke
internal import GoferBrokeSimulation

/// A bar that shows how far a simulation is, on a terminal alone.
final class ProgressBar: Sendable {
    private static let width = 30

    private let isShown: Bool
    private let shown = Mutex(-1)

    init(isShown: Bool) {
        self.isShown = isShown && Terminal.isErrorTerminal
    }

    /// Shows a share, 0 to 1.
    func show(_ share: Double) {
        guard self.isShown else { return }
        let percent = Int(min(max(share, 0), 1) * 100)
        let isNews = self.shown.withLock { shown in
            defer { shown = percent }
            return shown != percent
        }
        guard isNews else { return }
        let filled = percent * Self.width / 100
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.width - filled)
        Console.writeError("\r\(bar) \(percent) %")
    }

    /// Takes the bar away.
    func end() {
        guard self.isShown, self.shown.withLock({ $0 }) >= 0 else { return }
        Console.writeError("\r\u{1b}[K")
    }
}

/// JSON without a detour over types: names are ours, text is escaped, numbers that are none are null.
enum SimulationJSON {
    indirect enum Value {
        case text(String)
        case number(Double?)
        case list([Value])
        case raw(String)
    }

    static func object(_ fields: [(String, Value)]) -> String {
        "{" + fields.map { "\(self.quoted($0.0)):\(self.text($0.1))" }.joined(separator: ",") + "}"
    }

    static func text(of result: ScenarioResult) -> String {
        let metrics = self.object(
            result.metrics.map { metric in
                switch metric.value {
                case .number(let number): return (metric.name, .number(number))
                case .curve(let curve): return (metric.name, .list(curve.map { .number($0) }))
                }
            }
        )
        return self.object([
            ("scenario", .text(result.scenario)),
            ("nodes", .number(Double(result.nodes))),
            ("seed", .raw("\(result.seed)")),
            ("virtual_seconds", .number(result.virtualSeconds)),
            ("wall_seconds", .number(result.wallSeconds)),
            ("violations", .list(result.violations.map { .text($0.description) })),
            ("false_deaths_at_healthy", .number(Double(result.falseDeathsAtHealthy))),
            ("metrics", .raw(metrics)),
        ])
    }

    private static func text(_ value: Value) -> String {
        switch value {
        case .text(let text): return self.quoted(text)
        case .number(let number):
            guard let number, number.isFinite else { return "null" }
            return number.rounded() == number && number.magnitude < 1e15 ? "\(Int64(number))" : "\(number)"
        case .list(let list): return "[" + list.map { self.text($0) }.joined(separator: ",") + "]"
        case .raw(let raw): return raw
        }
    }

    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            default:
                if scalar.value < 0x20 {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }
}

/// What a scenario found, for people.
enum SimulationText {
    static func text(of result: ScenarioResult, for terminal: Terminal) -> String {
        let virtual = self.number(result.virtualSeconds)
        var lines = [
            "\(result.scenario): \(result.nodes) nodes, seed \(result.seed), \(virtual) virtual s in \(self.number(result.wallSeconds)) s"
        ]
        let width = result.metrics.map(\.name.count).max() ?? 0
        for metric in result.metrics {
            let name = metric.name + String(repeating: " ", count: width - metric.name.count)
            switch metric.value {
            case .number(let number): lines.append("  \(name)  \(number.map { self.number($0) } ?? "-")")
            case .curve(let curve): lines.append("  \(name)  \(self.sketch(curve))")
            }
        }
        lines.append("  false deaths at healthy nodes: \(result.falseDeathsAtHealthy)")
        lines += result.violations.map { terminal.styled("  violated: \($0.description.shown())", .bad) }
        if result.violations.isEmpty {
            lines.append(terminal.styled("  no rule was broken", .good))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    static func number(_ value: Double) -> String {
        if value.rounded() == value, value.magnitude < 1e15 { return "\(Int64(value))" }
        let scale = value.magnitude >= 100 ? 10.0 : value.magnitude >= 1 ? 100.0 : 100_000.0
        return "\((value * scale).rounded() / scale)"
    }

    /// A curve in blocks of eight heights, at most 60 wide, with its least and greatest value.
    private static func sketch(_ curve: [Double]) -> String {
        guard let least = curve.min(), let most = curve.max() else { return "-" }
        let blocks = Array("▁▂▃▄▅▆▇█")
        let count = min(curve.count, 60)
        let line = (0..<count).map { column -> Character in
            let value = curve[column * curve.count / count]
            return blocks[most > least ? Int((value - least) / (most - least) * 7) : 0]
        }
        return "\(String(line))  \(self.number(least)) to \(self.number(most))"
    }
}

/// What a swarm found so far.
struct SwarmReport {
    let first: UInt64
    let last: UInt64
    var count = 0
    var virtualSeconds = 0.0
    var nodeHours = 0.0
    var calms: [Double] = []
    var wall = Duration.zero
    var failures: [(seed: UInt64, scenario: FaultScenario, violations: [Violation])] = []
    private var fingerprint: UInt64 = 0

    init(first: UInt64, last: UInt64) {
        self.first = first
        self.last = last
    }

    mutating func add(_ seed: UInt64, _ scenario: FaultScenario, _ outcome: FaultOutcome) {
        self.count += 1
        self.virtualSeconds += Double(outcome.virtualTime / .seconds(1))
        self.nodeHours += outcome.nodeSeconds / 3_600
        self.fingerprint = (self.fingerprint &* 31) &+ outcome.fingerprint
        if let calm = outcome.calm {
            self.calms.append(Double(calm / .milliseconds(1)) / 1_000)
        }
        if !outcome.violations.isEmpty {
            self.failures.append((seed, scenario, outcome.violations))
        }
    }

    /// Throws a sentence that names the first seed that failed.
    func failIfBroken() throws(CommandFailure) {
        guard let first = self.failures.first else { return }
        throw CommandFailure(.failed, .failed, "\(self.failures.count) of \(self.count) seeds failed, the first is \(first.seed)")
    }

    private var longestCalm: Double? { self.calms.max() }

    private var meanCalm: Double? {
        self.calms.isEmpty ? nil : self.calms.reduce(0, +) / Double(self.calms.count)
    }

    private var violationTexts: [String] {
        self.failures.flatMap { failure in failure.violations.map { "seed \(failure.seed): \($0)" } }
    }

    var json: String {
        let metrics = SimulationJSON.object([
            ("seeds_run", .number(Double(self.count))),
            ("seeds_failed", .number(Double(self.failures.count))),
            ("node_hours", .number(self.nodeHours)),
            ("calm_s_mean", .number(self.meanCalm)),
            ("calm_s_max", .number(self.longestCalm)),
        ])
        return SimulationJSON.object([
            ("scenario", .text("swarm")),
            ("first_seed", .raw("\(self.first)")),
            ("last_seed", .raw("\(self.last)")),
            ("fingerprint", .text(String(self.fingerprint, radix: 16))),
            ("virtual_seconds", .number(self.virtualSeconds)),
            ("wall_seconds", .number(Double(self.wall / .milliseconds(1)) / 1_000)),
            ("violations", .list(self.violationTexts.map { .text($0) })),
            ("failed_scenarios", .list(self.failures.map { .text($0.scenario.description) })),
            ("metrics", .raw(metrics)),
        ])
    }

    func text(for terminal: Terminal) -> String {
        var lines: [String] = []
        for failure in self.failures {
            lines.append("# seed \(failure.seed) failed; this is its scenario, for gofer simulate replay:")
            lines.append(failure.scenario.description)
            lines += failure.violations.map { terminal.styled("violated: \($0.description.shown())", .bad) }
        }
        let hours = SimulationText.number(self.nodeHours)
        lines.append(
            "\(self.count) seeds, \(self.failures.count) failed; \(hours) node-hours in \(SimulationText.number(Double(self.wall / .milliseconds(1)) / 1_000)) s"
        )
        if let meanCalm, let longestCalm {
            lines.append(
                "agreement after \(SimulationText.number(meanCalm)) s of calm on average, \(SimulationText.number(longestCalm)) s at most"
            )
        }
        lines.append("fingerprint \(String(self.fingerprint, radix: 16))")
        return lines.joined(separator: "\n") + "\n"
    }
}
