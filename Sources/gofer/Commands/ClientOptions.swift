// SPDX-License-Identifier: Apache-2.0
// Options of every command that talks to a node.

internal import ArgumentParser
internal import GoferBroke

/// Options of every command that talks to a node.
struct ClientOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("The door of the node: HOST:PORT of its client port, or the path of its socket.", valueName: "door"),
        completion: .file()
    )
    var node: String?

    @Option(name: .long, help: ArgumentHelp("How long to wait for an answer, such as 500ms or 10s.", valueName: "duration"))
    var timeout: String?

    @Flag(name: .long, help: "Print JSON, errors too.")
    var json = false

    /// A conversation with the node that is meant.
    func session() throws(CommandFailure) -> NodeSession {
        var limit = Duration.seconds(5)
        if let timeout {
            // A year is longer than anybody waits.
            limit = .milliseconds(Int64(min(try ValueInput.milliseconds(timeout, "--timeout"), 31_536_000_000)))
        }
        return try NodeSession(door: self.node, timeout: limit)
    }

    /// Prints an answer: as JSON where that is wanted, else what `text` makes of it.
    func print(_ payload: [UInt8], _ text: (Terminal) -> String) throws(CommandFailure) {
        try Console.write(self.json ? ShownJSON.line(payload) + "\n" : text(.current()))
    }
}

/// How group and key are written.
struct LabelOptions: ParsableArguments {
    @Flag(name: .long, help: "GROUP and KEY are hexadecimal digits, two a byte.")
    var hexKeys = false
}
