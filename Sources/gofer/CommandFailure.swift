// SPDX-License-Identifier: Apache-2.0
// How a command ends: exit codes, and one clear sentence on standard error.

internal import ArgumentParser
internal import GoferBroke
internal import GoferBrokeConfiguration

/// The exit codes of `gofer`.
enum ExitStatus: Int32 {
    /// Done.
    case done = 0
    /// Failed.
    case failed = 1
    /// No such key or node.
    case notFound = 2
    /// Another life of this node has taken over: it must not be started again.
    case replaced = 3
    /// The command line is wrong.
    case usage = 64
    /// No node answers.
    case noNode = 69
    /// The configuration is wrong.
    case configuration = 78
}

/// Why a command failed.
struct CommandFailure: Error, Sendable, CustomStringConvertible {
    /// How the process ends.
    var status: ExitStatus
    /// What is said: a code for programs and a sentence for people.
    var failure: ClientFailure

    /// Makes a failure.
    init(_ status: ExitStatus, _ code: ClientFailure.Code, _ message: String) {
        self.status = status
        self.failure = ClientFailure(code, message)
    }

    /// What a node answered.
    init(_ failure: ClientFailure) {
        self.failure = failure
        switch failure.code {
        case .notFound, .unknownNode: self.status = .notFound
        case .configuration: self.status = .configuration
        case .usage: self.status = .usage
        case .noNode: self.status = .noNode
        default: self.status = .failed
        }
    }

    /// A node that could not be started, or stopped.
    init(_ error: GoferBrokeError) {
        let failure = ClientFailure(error)
        switch error.code {
        case .replaced:
            self.init(failure)
            self.status = .replaced
        // A file or folder that is not there: exit code 2 is for keys and nodes.
        case .notFound: self.init(.failed, .failed, failure.message)
        default: self.init(failure)
        }
    }

    /// A configuration that was refused.
    init(_ error: ConfigurationError) {
        self.init(.configuration, .configuration, error.description)
    }

    /// A wrong command line.
    static func usage(_ message: String) -> CommandFailure {
        CommandFailure(.usage, .usage, message)
    }

    /// The sentence.
    var description: String { self.failure.message }

    /// The line for standard error.
    func line(isJSON: Bool) -> String {
        if isJSON, let bytes = try? ClientJSON.encode(self.failure) { return ShownJSON.line(bytes) }
        return "gofer: \(self.failure.message.shown())"
    }

    /// Any error that a command can end with, but those of the argument parser.
    init(any error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let failure as ClientFailure: self.init(failure)
        case let error as GoferBrokeError: self.init(error)
        case let error as ConfigurationError: self.init(error)
        default: self.init(.failed, .failed, "\(error)")
        }
    }
}
