// SPDX-License-Identifier: Apache-2.0
// gofer info, explain, leave

internal import ArgumentParser
internal import GoferBroke

/// `gofer info`
struct InfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Shows the node that answers: addresses, uptime, counts, traffic.",
        discussion: """
            Examples:

              gofer info
              gofer info --node localhost:9081 --json
            """
    )

    @OptionGroup var client: ClientOptions

    func run() throws {
        let (answer, payload) = try self.client.session().ask(ClientRequestMessage(.info), InfoAnswer.self)
        try self.client.print(payload) { InfoText.text(answer, for: $0) }
    }
}

/// The facts as people read them.
enum InfoText {
    /// A line a fact.
    static func text(_ info: InfoAnswer, for terminal: Terminal) -> String {
        let members = info.members
        let traffic = info.traffic
        let facts: [(String, String)] = [
            ("node", info.node),
            ("cluster", info.cluster),
            ("generation", "\(info.generation)"),
            ("addresses", info.addresses.isEmpty ? "-" : info.addresses.joined(separator: ", ")),
            ("started", info.started),
            ("uptime", self.duration(info.uptimeMilliseconds)),
            ("version", info.version),
            ("members", "\(members.alive) alive, \(members.suspect) suspect, \(members.dead) dead, \(members.left) left"),
            ("links", "\(info.links)"),
            ("clients", "\(info.clients)"),
            ("map", "\(info.map.keys) keys, \(self.size(info.map.bytes)), hash \(info.map.hash)"),
            ("sent", "\(self.size(traffic.bytesSent)) in \(traffic.framesSent) frames, \(traffic.deltasSent) deltas"),
            (
                "received",
                "\(self.size(traffic.bytesReceived)) in \(traffic.framesReceived) frames, \(traffic.deltasReceived) deltas "
                    + "(\(traffic.deltasApplied) news)"
            ),
            ("queued", self.size(traffic.queuedBytes)),
            ("own changes", self.load(info.load)),
            ("rounds", "\(traffic.rounds), \(traffic.exchanges) exchanges begun"),
            ("dials", "\(traffic.dials), \(traffic.dialsFailed) failed"),
            ("protocol errors", "\(traffic.protocolErrors)"),
        ]
        let width = facts.map(\.0.columns).max() ?? 0
        return facts.map { name, value in
            let room = terminal.width.map { max(1, $0 - width - 2) } ?? .max
            return terminal.styled(name.padded(to: width), .heading) + "  " + value.shown().elided(to: room) + "\n"
        }.joined()
    }

    /// How own changes are admitted.
    static func load(_ load: LoadAnswer) -> String {
        let offered = "\(self.rate(load.offeredPerSecond))/s offered"
        guard load.pacing else { return "not paced, \(offered)" }
        return "paced at \(self.rate(load.admittedPerSecond))/s, \(offered), \(load.pending) waiting"
    }

    /// Small numbers with a digit more.
    private static func rate(_ value: Double) -> String {
        guard value < 100 else { return "\(Int64(min(value, 1e15)))" }
        return "\((value * 10).rounded() / 10)"
    }

    /// `1d 2h 3m 4s`, the two greatest units alone.
    static func duration(_ milliseconds: Int64) -> String {
        let units: [(String, Int64)] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
        var rest = max(0, milliseconds)
        var parts: [String] = []
        for (name, length) in units {
            let (count, remainder) = rest.quotientAndRemainder(dividingBy: length)
            if count > 0 || !parts.isEmpty { parts.append("\(count)\(name)") }
            if parts.count == 2 { break }
            rest = remainder
        }
        return parts.isEmpty ? "0ms" : parts.joined(separator: " ")
    }

    /// `1.5 MiB`, rounded down.
    static func size(_ bytes: UInt64) -> String {
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var index = 0
        while index + 1 < units.count, bytes >> UInt64(10 * (index + 1)) > 0 {
            index += 1
        }
        guard index > 0 else { return "\(bytes) bytes" }
        let whole = bytes >> UInt64(10 * index)
        let tenth = ((bytes >> UInt64(10 * (index - 1))) & 1_023) * 10 / 1_024
        return "\(whole).\(tenth) \(units[index])"
    }
}

/// `gofer explain`
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Tells what a node knows about a member, and why it holds it for alive or dead.",
        discussion: """
            Examples:

              gofer explain test-2
              gofer explain test-2 --node localhost:9081 --json
            """
    )

    @Argument(help: "About whom.") var member: String
    @OptionGroup var client: ClientOptions

    func run() throws {
        let message = ClientRequestMessage(.explain, node: self.member)
        let (answer, payload) = try self.client.session().ask(message, ExplainAnswer.self)
        try self.client.print(payload) { ExplainText.text(answer, for: $0) }
    }
}

/// A story as people read it.
enum ExplainText {
    /// How the member stands, then what led to it.
    static func text(_ answer: ExplainAnswer, for terminal: Terminal) -> String {
        let member = answer.member
        let status = terminal.styled(member.status.shown(), MembersText.look(member.status))
        var lines = ["\(member.name.shown()) is \(status)"]
        // The story begins with the same, in more words, but without colours.
        let rest =
            answer.story.first?.hasPrefix("\(member.name) is \(member.status), ") == true ? answer.story.dropFirst() : answer.story[...]
        lines[0] += ", generation \(member.generation), incarnation \(member.incarnation)"
        lines += rest.map { "  \($0.shown())" }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// `gofer leave`
struct LeaveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leave",
        abstract: "Makes the node that answers leave the cluster and stop.",
        discussion: """
            The others know at once that it left, and don't take it for dead.

            Examples:

              gofer leave
              gofer leave --node localhost:9081
            """
    )

    /// How long a leave may take before the command gives up waiting; the node itself gives up earlier.
    private static let patience = Duration.seconds(30)

    @OptionGroup var client: ClientOptions

    func run() throws {
        let session = try self.client.session()
        let (answer, payload) = try session.ask(ClientRequestMessage(.leave), LeaveAnswer.self)
        guard session.waitForEnd(within: LeaveCommand.patience) else {
            throw CommandFailure(.failed, .failed, "\(answer.node.shown()) is still leaving after 30 s")
        }
        try self.client.print(payload) { _ in "\(answer.node.shown()) has left\n" }
    }
}
