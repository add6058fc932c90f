// SPDX-License-Identifier: Apache-2.0
// A cluster and all that befalls it, as a value with a printed form.

/// A cluster and all that befalls it; afterwards a calm, in which all must come to agree.
///
/// The printed form is one line for each setting and each step, in order of time:
///
///     seed 17
///     nodes 9
///     tombstone-grace 5.0s
///     12.25s kill 3
///     14.5s start 3 with-data in-place
public struct FaultScenario: Sendable, Hashable {
    /// Something that happens at a time after the cluster's beginning.
    public struct Step: Sendable, Hashable {
        /// When.
        public var time: Duration
        /// What.
        public var fault: Fault
    }

    /// Of all randomness but the steps.
    public var seed: UInt64
    /// How many nodes begin; numbers 0 to this, excluded.
    public var nodes: Int
    /// One way, without jitter.
    public var latency = Duration.microseconds(500)
    /// On top of it, at most.
    public var jitter = Duration.microseconds(100)
    /// How long deletions are told.
    public var tombstoneGrace = Duration.seconds(3_600)
    /// How long the dead are remembered.
    public var retention = Duration.seconds(86_400)
    /// Whether changes are pushed, or found by gossip alone.
    public var isPushOn = true
    /// Nodes that nobody can dial.
    public var behindNAT: [Int] = []
    /// What happens, in order of time.
    public var steps: [Step] = []
    /// When the calm begins.
    public var calmAt = Duration.zero

    /// A cluster that nothing befalls.
    public init(seed: UInt64, nodes: Int) {
        self.seed = seed
        self.nodes = nodes
    }
}

extension FaultScenario: CustomStringConvertible {
    /// The printed form.
    public var description: String {
        var lines = [
            "seed \(self.seed)", "nodes \(self.nodes)", "latency \(self.latency.text)", "jitter \(self.jitter.text)",
            "tombstone-grace \(self.tombstoneGrace.text)", "retention \(self.retention.text)",
            "push \(self.isPushOn ? "on" : "off")",
        ]
        lines += self.behindNAT.map { "behind-nat \($0)" }
        lines += self.steps.map { "\($0.time.text) \($0.fault)" }
        lines.append("\(self.calmAt.text) calm")
        return lines.joined(separator: "\n") + "\n"
    }

    /// Reads the printed form; lines that are empty or begin with `#` are passed over.
    ///
    /// - Throws: ``FaultScenarioError``, naming the line.
    public init(_ text: String) throws(FaultScenarioError) {
        self.init(seed: 0, nodes: 0)
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            guard self.take(line) else { throw FaultScenarioError(line: number + 1, text: String(line)) }
        }
        guard (1...1_000).contains(self.nodes) else { throw FaultScenarioError(line: 0, text: "nodes must be 1 to 1000") }
        guard self.nodesNamed.allSatisfy({ (0..<self.nodes).contains($0) }) else {
            throw FaultScenarioError(line: 0, text: "a node is named that is not among the \(self.nodes)")
        }
    }

    private mutating func take(_ line: Substring) -> Bool {
        var words = ScenarioWords(line)
        guard let first = words.next() else { return false }
        if let time =
            ({ () -> Duration? in
                var only = ScenarioWords(first)
                return only.duration()
            })()
        {
            let rest = line.dropFirst(first.count + 1)
            if rest == "calm" {
                self.calmAt = time
                return true
            }
            guard let fault = Fault(rest) else { return false }
            self.steps.append(Step(time: time, fault: fault))
            return true
        }
        return self.take(setting: first, &words) && words.isAtEnd
    }

    private mutating func take(setting: String, _ words: inout ScenarioWords) -> Bool {
        func assign<Value>(_ value: Value?, to target: inout Value) -> Bool {
            guard let value else { return false }
            target = value
            return true
        }
        switch setting {
        case "seed": return assign(words.next().flatMap { UInt64($0) }, to: &self.seed)
        case "nodes": return assign(words.natural(), to: &self.nodes)
        case "latency": return assign(words.duration(), to: &self.latency)
        case "jitter": return assign(words.duration(), to: &self.jitter)
        case "tombstone-grace": return assign(words.duration(), to: &self.tombstoneGrace)
        case "retention": return assign(words.duration(), to: &self.retention)
        case "push": return assign(words.choice("on", "off"), to: &self.isPushOn)
        case "behind-nat":
            guard let node = words.natural() else { return false }
            self.behindNAT.append(node)
            return true
        default: return false
        }
    }

    private var nodesNamed: [Int] {
        self.behindNAT + self.steps.flatMap { $0.fault.nodes }
    }
}

extension Fault {
    /// The nodes that it names.
    var nodes: [Int] {
        switch self {
        case .kill(let node), .cutPower(let node), .leave(let node), .start(let node, _, _), .freeze(let node, _),
            .slow(let node, _), .jump(let node, _, _), .lossAt(let node, _, _), .far(let node, _), .resetConnection(let node),
            .write(let node, _, _, _), .delete(let node, _), .configure(let node, _, _):
            return [node]
        case .cut(let from, let to), .mend(let from, let to), .lossBetween(let from, let to, _): return [from, to]
        case .split(let parts): return parts.flatMap { $0 }
        case .loss, .heal: return []
        }
    }
}

/// A line of a printed scenario that can't be read.
public struct FaultScenarioError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Which line, from 1; 0: the whole.
    public var line: Int
    /// What stands there, or what is wrong.
    public var text: String

    /// One sentence.
    public var description: String {
        self.line == 0 ? "this is no scenario: \(self.text)" : "line \(self.line) of the scenario can't be read: \(self.text)"
    }
}
