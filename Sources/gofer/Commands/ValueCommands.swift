// SPDX-License-Identifier: Apache-2.0
// gofer get, set, delete

internal import ArgumentParser
internal import GoferBroke

/// `gofer get`
struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Prints one value of one node.",
        discussion: """
            Prints the bare value and a line break. On a terminal control characters show as escapes; into a file or pipe the
            bytes go as they are.

            Examples:

              gofer get test-1 limits max_connections
              gofer get test-1 files logo --hex
              gofer get test-1 limits max_connections --json
            """
    )

    @Argument(help: "Whose value.") var owner: String
    @Argument(help: "The key group.") var group: String
    @Argument(help: "The key.") var key: String
    @Flag(name: .long, help: "Print the value's bytes in hexadecimal, as on the wire.") var hex = false
    @OptionGroup var labels: LabelOptions
    @OptionGroup var client: ClientOptions

    func run() throws {
        let message = ClientRequestMessage(
            .get,
            node: self.owner,
            group: try ValueInput.label(self.group, isHex: self.labels.hexKeys, "group"),
            key: try ValueInput.label(self.key, isHex: self.labels.hexKeys, "key")
        )
        let (answer, payload) = try self.client.session().ask(message, DeltaAnswer.self)
        if self.client.json {
            try Console.write(ShownJSON.line(payload) + "\n")
        } else {
            try Console.write(try DeltaText.bare(answer, isHex: self.hex, for: .current()))
        }
    }
}

/// `gofer set`
struct SetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Sets a value of the node that answers.",
        discussion: """
            Every node writes its own values only, so the value becomes one of the node that --node names.

            Types: string, the default; bytes, with --hex; int, int8, int16, int32, int64; uint8, uint16, uint32, uint64; \
            float64; bool.

            Examples:

              gofer set limits max_connections 1000 --type int
              gofer set status message "back at noon" --ttl 2h
              gofer set files magic 89504e47 --hex
              gofer set files logo --file logo.png --type bytes
            """
    )

    @Argument(help: "The key group.") var group: String
    @Argument(help: "The key.") var key: String
    @Argument(help: "The value.") var value: String?
    @Option(name: .long, help: "Take the value from a file as it is: a string, or bytes; - is standard input.", completion: .file())
    var file: String?
    @Option(name: .long, help: "The value's type.", completion: .list(DeltaValueType.all.map(\.description)))
    var type: String?
    @Option(name: .long, help: ArgumentHelp("How long the value lives, such as 30s or 2h.", valueName: "duration"))
    var ttl: String?
    @Flag(name: .long, help: "VALUE is hexadecimal digits: bytes, or with --type string its UTF-8.") var hex = false
    @OptionGroup var labels: LabelOptions
    @OptionGroup var client: ClientOptions

    func run() throws {
        let message = try self.message()
        let (answer, payload) = try self.client.session().ask(message, DeltaAnswer.self)
        try self.client.print(payload) { _ in DeltaText.done("set", answer.node, answer.group, answer.key) }
    }

    /// What is asked, checked as far as it can be here.
    func message() throws(CommandFailure) -> ClientRequestMessage {
        let (type, value) = try self.typedValue()
        var milliseconds: UInt64?
        if let ttl { milliseconds = try ValueInput.milliseconds(ttl, "--ttl") }
        return ClientRequestMessage(
            .set,
            group: try ValueInput.label(self.group, isHex: self.labels.hexKeys, "group"),
            key: try ValueInput.label(self.key, isHex: self.labels.hexKeys, "key"),
            type: type,
            value: value,
            ttlMilliseconds: milliseconds
        )
    }
}

extension SetCommand {
    /// The value of the command line, or of the file.
    private func typedValue() throws(CommandFailure) -> (type: DeltaValueType, value: ClientValue) {
        switch (self.value, self.file) {
        case (let value?, nil): return try ValueInput.value(value, typeName: self.type, isHex: self.hex)
        case (nil, let file?): return try ValueInput.value(ofFile: file, typeName: self.type, isHex: self.hex)
        case (nil, nil): throw .usage("a value is missing: give VALUE, or --file")
        case (_?, _?): throw .usage("VALUE and --file exclude each other")
        }
    }
}

/// `gofer delete`
struct DeleteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Deletes a value of the node that answers.",
        discussion: """
            Examples:

              gofer delete limits max_connections
              gofer delete limits max_connections --node localhost:9081
            """
    )

    @Argument(help: "The key group.") var group: String
    @Argument(help: "The key.") var key: String
    @OptionGroup var labels: LabelOptions
    @OptionGroup var client: ClientOptions

    func run() throws {
        let message = ClientRequestMessage(
            .delete,
            group: try ValueInput.label(self.group, isHex: self.labels.hexKeys, "group"),
            key: try ValueInput.label(self.key, isHex: self.labels.hexKeys, "key")
        )
        let (answer, payload) = try self.client.session().ask(message, KeyAnswer.self)
        try self.client.print(payload) { _ in DeltaText.done("deleted", answer.node, answer.group, answer.key) }
    }
}

/// Values as people read them.
enum DeltaText {
    /// The bare value with a line break.
    static func bare(_ answer: DeltaAnswer, isHex: Bool, for terminal: Terminal) throws(CommandFailure) -> [UInt8] {
        let lineBreak = UInt8(ascii: "\n")
        if isHex {
            guard let type = DeltaValueType(name: answer.type) else {
                // A type of a newer node: its bytes come as they are.
                if case .base64(let bytes) = answer.value { return Array(bytes.hex.utf8) + [lineBreak] }
                throw CommandFailure(.failed, .badAnswer, "the value's type \(answer.type.quoted) is not known")
            }
            do {
                return Array(try answer.value.bytes(of: type).hex.utf8) + [lineBreak]
            } catch {
                // Bytes that are no value of their type come as they are.
                if case .base64(let bytes) = answer.value { return Array(bytes.hex.utf8) + [lineBreak] }
                throw CommandFailure(error)
            }
        }
        if case .base64(let bytes) = answer.value, answer.type == "bytes", terminal.isTerminal {
            return Array(bytes.hex.utf8) + [lineBreak]
        }
        let bytes = self.bytes(answer.value)
        return (terminal.isTerminal ? Array(bytes.shown(.many).utf8) : bytes) + [lineBreak]
    }

    /// The value as text, unsafe.
    private static func bytes(_ value: ClientValue) -> [UInt8] {
        switch value {
        case .text(let text): return Array(text.utf8)
        case .base64(let bytes): return bytes
        case .signed(let number): return Array("\(number)".utf8)
        case .unsigned(let number): return Array("\(number)".utf8)
        case .number(let number): return Array("\(number)".utf8)
        case .bool(let value): return Array("\(value)".utf8)
        }
    }

    /// The value on one line, safe: bytes in hexadecimal.
    static func line(_ value: ClientValue) -> String {
        if case .base64(let bytes) = value { return "0x\(bytes.hex)" }
        return self.bytes(value).shown()
    }

    /// A group or key on one line, safe.
    static func label(_ label: ClientLabel) -> String { label.label.bytes.shown() }

    /// What was done.
    static func done(_ what: String, _ node: String, _ group: ClientLabel, _ key: ClientLabel) -> String {
        "\(what) \(self.label(group)) \(self.label(key)) on \(node.shown())\n"
    }
}
