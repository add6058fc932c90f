// SPDX-License-Identifier: Apache-2.0
// gofer watch, events

internal import ArgumentParser
internal import GoferBroke

/// `gofer watch`
struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Prints changes of values, a line each, until it is interrupted.",
        discussion: """
            Begins with the values that are there. Where this reader is too slow, it skips to the newest value of each key.

            Examples:

              gofer watch
              gofer watch limits
              gofer watch limits max_connections --json
            """
    )

    @Argument(help: "The key group; every one without it.") var group: String?
    @Argument(help: "The key; every one of the group without it.") var key: String?
    @OptionGroup var labels: LabelOptions
    @OptionGroup var client: ClientOptions

    func run() throws {
        let message = ClientRequestMessage(
            .watch,
            group: try self.group.map { try ValueInput.label($0, isHex: self.labels.hexKeys, "group") },
            key: try self.key.map { try ValueInput.label($0, isHex: self.labels.hexKeys, "key") }
        )
        let terminal = Terminal.current()
        let isJSON = self.client.json
        try self.client.session().follow(message) { payload throws(CommandFailure) in
            try Console.write(isJSON ? ShownJSON.line(payload) : try StreamText.watchLine(payload, for: terminal))
            try Console.write("\n")
        }
    }
}

/// `gofer events`
struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Prints what happens in the cluster, a line each, until it is interrupted.",
        discussion: """
            Begins with a snapshot of the members.

            Examples:

              gofer events
              gofer events --json
            """
    )

    @OptionGroup var client: ClientOptions

    func run() throws {
        let terminal = Terminal.current()
        let isJSON = self.client.json
        try self.client.session().follow(ClientRequestMessage(.events)) { payload throws(CommandFailure) in
            try Console.write(isJSON ? ShownJSON.line(payload) : try StreamText.eventLine(payload, for: terminal))
            try Console.write("\n")
        }
    }
}

/// Elements of streams as people read them.
enum StreamText {
    /// A change of a value.
    static func watchLine(_ payload: [UInt8], for terminal: Terminal) throws(CommandFailure) -> String {
        let word: EventWord = try NodeSession.decode(payload)
        switch word.event {
        case "set":
            let delta: DeltaAnswer = try NodeSession.decode(payload)
            let place = "\(delta.node.shown())  \(DeltaText.label(delta.group))  \(DeltaText.label(delta.key))"
            return self.fitted("\(place) = \(DeltaText.line(delta.value))", tail: "  (\(delta.type.shown()))", terminal)
        case "deleted":
            let key: KeyAnswer = try NodeSession.decode(payload)
            let place = "\(key.node.shown())  \(DeltaText.label(key.group))  \(DeltaText.label(key.key))"
            return self.fitted("\(place) deleted", tail: "", terminal)
        default:
            return try self.eventLine(payload, for: terminal)
        }
    }

    /// An event.
    static func eventLine(_ payload: [UInt8], for terminal: Terminal) throws(CommandFailure) -> String {
        let word: EventWord = try NodeSession.decode(payload)
        let event: EventAnswer = try NodeSession.decode(payload)
        let time = terminal.styled(event.time.shown(), .faint)
        if word.event == "snapshot", let members = event.members {
            var lines = ["\(time) snapshot of cluster \((event.cluster ?? "").shown()), \(members.count) members"]
            for member in members {
                let status = terminal.styled(member.status.shown().padded(to: 7), MembersText.look(member.status))
                lines.append("  \(status)  \(member.name.shown())  \((member.address ?? "-").shown())")
            }
            return lines.joined(separator: "\n")
        }
        return "\(time) \(self.sentence(word.event, event, terminal))"
    }

    private static func sentence(_ word: String, _ event: EventAnswer, _ terminal: Terminal) -> String {
        let count = event.count ?? 0
        let key = (event.key ?? "").shown()
        let value = (event.value ?? "").shown()
        let before = (event.before ?? "").shown()
        let message = (event.message ?? "").shown()
        switch word {
        case "joined": return "joined a cluster of \(count) members"
        case "lagged": return terminal.styled("missed \(count) events: this reader is too slow", .doubtful)
        case "seed_failed": return terminal.styled("seed \((event.address ?? "").shown()) failed: \(message)", .doubtful)
        case "config_changed":
            return "config \(key) = \(value), before \(before)\(event.live == false ? " (counts from the next start)" : "")"
        case "config_superseded": return "config \(key): \(before) lost against \(value) by \((event.writer ?? "").shown())"
        case "config_refused": return "config \(key) of \((event.node ?? "").shown()) refused: \(message)"
        case "load": return event.load.map { InfoText.load($0) } ?? word.shown()
        case "limit": return terminal.styled("refused\(event.node.map { " of \($0.shown())" } ?? ""): \(message)", .doubtful)
        case "generation": return "this node goes on as generation \(event.generation ?? 0)"
        default: return self.memberSentence(word, event, terminal)
        }
    }

    private static func memberSentence(_ word: String, _ event: EventAnswer, _ terminal: Terminal) -> String {
        guard let member = event.member else { return word.shown() }
        let what = word.hasPrefix("member_") ? String(word.dropFirst("member_".count)) : word
        let status = terminal.styled(what.shown(), MembersText.look(member.status))
        return "\(member.name.shown()) \(status)  generation \(member.generation)  \((member.address ?? "-").shown())"
    }

    /// The line in the width of the terminal, its end kept.
    private static func fitted(_ text: String, tail: String, _ terminal: Terminal) -> String {
        guard let width = terminal.width else { return text + tail }
        return text.elided(to: max(1, width - tail.columns)) + (tail.columns < width ? tail : "")
    }
}
