// SPDX-License-Identifier: Apache-2.0
// What can befall a cluster, one line each.

/// Something that befalls a cluster, or that is done in it. Nodes are numbers from 0.
///
/// Each has a printed form of one line, and is read back from it: a failed run becomes a regression as it was printed.
public enum Fault: Sendable, Hashable {
    /// A process is killed; its host answers for it.
    case kill(Int)
    /// A host loses its power; nobody answers.
    case cutPower(Int)
    /// A node says good-bye.
    case leave(Int)
    /// A node that does not run starts again, with what its data directory held or without, at its old address or a new one.
    case start(Int, keepsData: Bool, isMoved: Bool)
    /// Nothing goes in or out of a node for a time; then the burst.
    case freeze(Int, Duration)
    /// Each turn of a node takes so long.
    case slow(Int, Duration)
    /// A node's monotonic clock jumps ahead, and its time of day by another amount.
    case jump(Int, ahead: Duration, timeOfDay: Duration)
    /// The network is split: those named together reach each other, all others are with the first.
    case split([[Int]])
    /// One direction between two nodes is cut, or mended.
    case cut(Int, Int)
    case mend(Int, Int)
    /// Share of packets lost: everywhere; to and from one node; on one direction between two.
    case loss(Double)
    case lossAt(Int, inbound: Double, outbound: Double)
    case lossBetween(Int, Int, Double)
    /// One node is far away.
    case far(Int, Duration)
    /// Splits, cuts and losses end.
    case heal
    /// One connection of a node, by lot, is reset.
    case resetConnection(Int)
    /// A node sets a key of its own to something new of that size; a time to live of zero: it stays.
    case write(Int, key: Int, size: Int, timeToLive: Duration)
    /// A node deletes a key of its own.
    case delete(Int, key: Int)
    /// A node changes the cluster's configuration.
    case configure(Int, key: String, value: String)
}

extension Fault: CustomStringConvertible {
    /// One line: a word and its values.
    public var description: String {
        switch self {
        case .kill(let node): return "kill \(node)"
        case .cutPower(let node): return "cut-power \(node)"
        case .leave(let node): return "leave \(node)"
        case .start(let node, let keepsData, let isMoved):
            return "start \(node) \(keepsData ? "with-data" : "without-data") \(isMoved ? "moved" : "in-place")"
        case .freeze(let node, let time): return "freeze \(node) \(time.text)"
        case .slow(let node, let time): return "slow \(node) \(time.text)"
        case .jump(let node, let ahead, let timeOfDay): return "jump \(node) \(ahead.text) \(timeOfDay.text)"
        case .split(let parts):
            return "split " + parts.map { $0.map(String.init).joined(separator: ",") }.joined(separator: "|")
        case .cut(let from, let to): return "cut \(from) \(to)"
        case .mend(let from, let to): return "mend \(from) \(to)"
        case .loss(let share): return "loss \(share)"
        case .lossAt(let node, let inbound, let outbound): return "loss-at \(node) \(inbound) \(outbound)"
        case .lossBetween(let from, let to, let share): return "loss-between \(from) \(to) \(share)"
        case .far(let node, let time): return "far \(node) \(time.text)"
        case .heal: return "heal"
        case .resetConnection(let node): return "reset-connection \(node)"
        case .write(let node, let key, let size, let time): return "write \(node) \(key) \(size) \(time.text)"
        case .delete(let node, let key): return "delete \(node) \(key)"
        case .configure(let node, let key, let value): return "configure \(node) \(key) \(value)"
        }
    }

    /// Reads the printed form; nil where it is none.
    public init?(_ text: some StringProtocol) {
        var words = ScenarioWords(text)
        guard let verb = words.next(), let fault = Fault(verb, &words), words.isAtEnd else { return nil }
        self = fault
    }

    private init?(_ verb: String, _ words: inout ScenarioWords) {
        switch verb {
        case "heal": self = .heal
        case "loss":
            guard let share = words.share() else { return nil }
            self = .loss(share)
        case "split":
            guard let text = words.next() else { return nil }
            let parts = text.split(separator: "|", omittingEmptySubsequences: false).map { part in
                part.split(separator: ",").map { Int($0) }
            }
            guard parts.allSatisfy({ $0.allSatisfy { ($0 ?? -1) >= 0 } }) else { return nil }
            self = .split(parts.map { $0.compactMap { $0 } })
        default:
            guard let node = words.natural(), let fault = Fault(verb, of: node, &words) else { return nil }
            self = fault
        }
    }

    private init?(_ verb: String, of node: Int, _ words: inout ScenarioWords) {
        switch verb {
        case "kill": self = .kill(node)
        case "cut-power": self = .cutPower(node)
        case "leave": self = .leave(node)
        case "reset-connection": self = .resetConnection(node)
        case "start":
            guard let keepsData = words.choice("with-data", "without-data"), let isMoved = words.choice("moved", "in-place") else {
                return nil
            }
            self = .start(node, keepsData: keepsData, isMoved: isMoved)
        case "freeze", "slow", "far":
            guard let time = words.duration() else { return nil }
            self = verb == "freeze" ? .freeze(node, time) : verb == "slow" ? .slow(node, time) : .far(node, time)
        case "jump":
            guard let ahead = words.duration(), let timeOfDay = words.duration() else { return nil }
            self = .jump(node, ahead: ahead, timeOfDay: timeOfDay)
        case "loss-at":
            guard let inbound = words.share(), let outbound = words.share() else { return nil }
            self = .lossAt(node, inbound: inbound, outbound: outbound)
        case "cut", "mend", "loss-between":
            guard let other = words.natural() else { return nil }
            if verb == "loss-between" {
                guard let share = words.share() else { return nil }
                self = .lossBetween(node, other, share)
            } else {
                self = verb == "cut" ? .cut(node, other) : .mend(node, other)
            }
        case "write":
            guard let key = words.natural(), let size = words.natural(), let time = words.duration() else { return nil }
            self = .write(node, key: key, size: size, timeToLive: time)
        case "delete":
            guard let key = words.natural() else { return nil }
            self = .delete(node, key: key)
        case "configure":
            guard let key = words.next(), let value = words.next() else { return nil }
            self = .configure(node, key: key, value: value)
        default: return nil
        }
    }
}

/// The words of a line, taken one after the other.
struct ScenarioWords {
    private var words: ArraySlice<Substring>

    init(_ text: some StringProtocol) {
        self.words = text.split(separator: " ").map { Substring($0) }[...]
    }

    var isAtEnd: Bool {
        self.words.isEmpty
    }

    mutating func next() -> String? {
        self.words.popFirst().map(String.init)
    }

    mutating func natural() -> Int? {
        self.next().flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
    }

    mutating func share() -> Double? {
        self.next().flatMap { Double($0) }.flatMap { (0...1).contains($0) ? $0 : nil }
    }

    mutating func duration() -> Duration? {
        guard let word = self.next(), word.hasSuffix("s"), let seconds = Double(word.dropLast()), seconds.magnitude < 1e9 else {
            return nil
        }
        return .microseconds(Int64((seconds * 1e6).rounded()))
    }

    mutating func choice(_ yes: String, _ no: String) -> Bool? {
        switch self.next() {
        case yes: return true
        case no: return false
        default: return nil
        }
    }
}

extension Duration {
    /// Seconds, read back by ``ScenarioWords``.
    var text: String {
        "\(Double(self.micros) / 1e6)s"
    }
}
