// SPDX-License-Identifier: Apache-2.0
// gofer config check | show | set

internal import ArgumentParser
internal import GoferBroke
internal import GoferBrokeConfiguration

/// `gofer config`
struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Checks a configuration file, shows or changes the cluster's configuration.",
        discussion: """
            Examples:

              gofer config check cluster.conf
              gofer config show --changed
              gofer config set Cluster.PhiThreshold 10
            """,
        subcommands: [Check.self, Show.self, Set.self]
    )

    /// `gofer config check`
    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Checks a configuration file; needs no node.",
            discussion: """
                A file with SeedServers or a block Cluster is taken for a cluster document, any other for a node document, unless
                --document says which it is. Exit code 78 and FILE:LINE:COLUMN where it is wrong.

                Examples:

                  gofer config check cluster.conf
                  gofer config check node.conf --document node --json
                """
        )

        @Argument(help: "The file.", completion: .file()) var file: String
        @Option(name: .long, help: "Which document it is: cluster or node.", completion: .list(["cluster", "node"]))
        var document: String?
        @Flag(name: .long, help: "Print JSON, errors too.") var json = false

        func run() throws {
            let report = try ConfigurationCheck.report(file: self.file, document: self.document, environment: Environment.all)
            try Console.write(self.json ? ShownJSON.line(try ClientJSON.encode(report)) + "\n" : report.text)
        }
    }

    /// `gofer config show`
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Shows the cluster's configuration in force, and who set what.",
            discussion: """
                Examples:

                  gofer config show
                  gofer config show --changed
                  gofer config show --json
                """
        )

        @Flag(name: .long, help: "Only what differs from the defaults.") var changed = false
        @OptionGroup var client: ClientOptions

        func run() throws {
            let (answer, payload) = try self.client.session().ask(ClientRequestMessage(.configShow), ConfigurationAnswer.self)
            var shown = answer
            if self.changed { shown.entries.removeAll { $0.value == $0.defaultValue } }
            let bytes = self.changed ? try ClientJSON.encode(shown) : payload
            try self.client.print(bytes) { ConfigurationText.text(shown, for: $0) }
        }
    }

    /// `gofer config set`
    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set",
            abstract: "Changes a key of the cluster's configuration for every node.",
            discussion: """
                docs/CONFIGURATION.md lists the keys and says which can change while the cluster runs.

                Examples:

                  gofer config set Cluster.PhiThreshold 10
                  gofer config set Cluster.HeartbeatInterval 500ms
                """
        )

        @Argument(help: "The key, such as Cluster.PhiThreshold.", completion: .list(ConfigurationText.changeableKeys)) var key: String
        @Argument(help: "The value, as it would stand in a file.") var value: String
        @OptionGroup var client: ClientOptions

        func run() throws {
            let message = ClientRequestMessage(.configSet, key: DeltaLabel(self.key), value: .text(self.value))
            let (answer, payload) = try self.client.session().ask(message, ConfigurationSetAnswer.self)
            try self.client.print(payload) { _ in
                "\(answer.key.shown()) = \(answer.value.shown()), before \(answer.before.shown())\n"
            }
        }
    }
}

/// What a check of a file found.
struct ConfigurationCheck: Codable {
    /// The file.
    var file: String
    /// `cluster` or `node`.
    var document: String
    /// The keys that were given.
    var keys: [String]
    /// What is worth telling.
    var warnings: [String]

    /// Reads the file, and says what is in it.
    ///
    /// - Throws: What is wrong, with file, line and column.
    static func report(file: String, document: String?, environment: [String: String]) throws(CommandFailure) -> ConfigurationCheck {
        do {
            switch try self.kind(document, file: file, environment: environment) {
            case .cluster:
                let parsed = try ClusterConfiguration.load(file: file, environment: environment)
                return ConfigurationCheck(file: file, document: "cluster", keys: parsed.givenKeys, warnings: parsed.warnings)
            case .node:
                let parsed = try NodeConfiguration.load(file: file, environment: environment)
                return ConfigurationCheck(file: file, document: "node", keys: parsed.givenKeys, warnings: parsed.warnings)
            }
        } catch let error as ConfigurationError {
            throw CommandFailure(error)
        } catch {
            throw CommandFailure(any: error)
        }
    }

    private static func kind(_ document: String?, file: String, environment: [String: String]) throws -> ConfigurationDocumentKind {
        if let document {
            guard let kind = ConfigurationDocumentKind(rawValue: document) else {
                throw CommandFailure.usage("--document \(document.quoted) is unknown: cluster or node is expected")
            }
            return kind
        }
        return try ConfigurationDocument.load(file: file, environment: environment).likelyKind
    }

    /// For people.
    var text: String {
        let count = "\(self.keys.count) \(self.keys.count == 1 ? "key" : "keys")"
        let warnings = self.warnings.map { "warning: \($0.shown())\n" }.joined()
        return "\(self.file.shown()): a valid \(self.document) document with \(count)\n\(warnings)"
    }
}

/// The cluster's configuration as people read it.
enum ConfigurationText {
    /// The keys that `config set` takes.
    static let changeableKeys: [String] = ConfigurationKeys.cluster.filter { $0.isReplicated && $0.change == .live }.map(\.path)

    /// A table.
    static func text(_ answer: ConfigurationAnswer, for terminal: Terminal) -> String {
        var table = Table(columns: [
            .flexible("KEY", least: 16),
            .flexible("VALUE", least: 8),
            .flexible("DEFAULT", least: 8, sacrifice: 3),
            .fixed("CHANGE", sacrifice: 2),
            .flexible("SET BY", least: 6, sacrifice: 1),
        ])
        for entry in answer.entries {
            table.rows.append([
                Table.Cell(entry.key),
                Table.Cell(entry.value.isEmpty ? "-" : entry.value, entry.value == entry.defaultValue ? .plain : .heading),
                Table.Cell(entry.defaultValue.isEmpty ? "-" : entry.defaultValue, .faint),
                Table.Cell(entry.live ? "live" : "restart"),
                Table.Cell(self.writer(entry)),
            ])
        }
        return table.rendered(for: terminal)
    }

    private static func writer(_ entry: ConfigurationAnswer.Entry) -> String {
        guard let writer = entry.writer else { return "-" }
        return entry.stamp == 0 ? "file of \(writer)" : writer
    }
}
