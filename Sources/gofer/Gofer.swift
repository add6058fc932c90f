// SPDX-License-Identifier: Apache-2.0
// The executable: parses the command line, runs the command, ends with its exit code.

internal import ArgumentParser
internal import GoferBroke

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// `gofer`.
struct Gofer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gofer",
        abstract: "Runs and asks nodes of a GoferBroke cluster.",
        discussion: """
            Start a cluster of two nodes on this machine:

              gofer node --name test --id 1 --node-port 8081
              gofer node --name test --id 2 --node-port 8082

            Ask one of them, in another terminal:

              gofer members --node /path/to/socket
              gofer set limits max_connections 1000 --type int --node HOST:PORT
              gofer get test-1 limits max_connections --json

            Without --node the only node of this user on this machine answers.

            Shell completion: gofer --generate-completion-script bash|zsh|fish

            Exit codes:

              0   done
              1   failed
              2   no such key or node
              3   replaced by a later life of this node: don't start this one again
              64  wrong command line
              69  no node answers
              78  wrong configuration
            """,
        version: CoreVersion.text,
        subcommands: [
            NodeCommand.self, MembersCommand.self, GetCommand.self, SetCommand.self, DeleteCommand.self, WatchCommand.self,
            EventsCommand.self, InfoCommand.self, ExplainCommand.self, ConfigCommand.self, LeaveCommand.self, SimulateCommand.self,
        ]
    )
}

@main
enum Main {
    static func main() async {
        let given = Array(CommandLine.arguments.dropFirst())
        if let problem = CommandLineFixes.encodingProblem() {
            Console.complain(problem.line(isJSON: CommandLineFixes.wantsJSON(given)))
            exit(problem.status.rawValue)
        }
        exit(await run(CommandLineFixes.withNegativeValueLast(given)).rawValue)
    }

    /// Runs a command line, says on standard error what failed, and answers the exit code.
    static func run(_ arguments: [String]) async -> ExitStatus {
        let isJSON = CommandLineFixes.wantsJSON(arguments)
        do {
            var command = try Gofer.parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return .done
        } catch {
            return report(error, isJSON: isJSON)
        }
    }

    private static func report(_ error: any Error, isJSON: Bool) -> ExitStatus {
        if error is CommandFailure || !isParserError(error) {
            let failure = CommandFailure(any: error)
            Console.complain(failure.line(isJSON: isJSON))
            return failure.status
        }
        let code = Gofer.exitCode(for: error)
        guard code != .success else {
            // Help and completion scripts are "errors" of the parser that succeed.
            try? Console.write(Gofer.fullMessage(for: error) + "\n")
            return .done
        }
        let sentence = Gofer.message(for: error).split(separator: "\n").first.map(String.init) ?? "the command line is wrong"
        Console.complain(CommandFailure.usage(isJSON ? sentence : "\(sentence); see gofer help").line(isJSON: isJSON))
        return .usage
    }

    /// The parser's own errors: wrong arguments, and requests for help.
    private static func isParserError(_ error: any Error) -> Bool {
        let code = Gofer.exitCode(for: error)
        return code == .validationFailure || code == .success || error is CleanExit || error is ExitCode
    }
}

/// What the parser of arguments does not do by itself.
enum CommandLineFixes {
    /// Arguments reach Swift as text, with other bytes replaced: what is stored would not be what was typed.
    static func encodingProblem() -> CommandFailure? {
        for index in 0..<Int(CommandLine.argc) {
            guard let argument = CommandLine.unsafeArgv[index], String(validatingCString: argument) == nil else { continue }
            return .usage(
                "argument \(index) is not UTF-8; give such a group or key as hexadecimal digits with --hex-keys, such a value with --hex or --file"
            )
        }
        return nil
    }

    /// Moves a negative number behind `--`, so that `gofer set limits low -5 --type int` needs no care.
    static func withNegativeValueLast(_ arguments: [String]) -> [String] {
        guard arguments.first == "set", !arguments.contains("--") else { return arguments }
        let found = arguments.indices.filter { index in
            let isOptionValue = ["--type", "--ttl", "--node", "--timeout"].contains(arguments[index - (index > 0 ? 1 : 0)])
            return isNegativeNumber(arguments[index]) && !isOptionValue
        }
        guard found.count == 1 else { return arguments }
        var rest = arguments
        let value = rest.remove(at: found[0])
        return rest + ["--", value]
    }

    private static func isNegativeNumber(_ text: String) -> Bool {
        guard text.hasPrefix("-"), text.count > 1 else { return false }
        return Double(text) != nil
    }

    /// Whether errors are to be JSON, also where the command line can't be parsed.
    static func wantsJSON(_ arguments: [String]) -> Bool {
        arguments.prefix { $0 != "--" }.contains("--json")
    }
}
