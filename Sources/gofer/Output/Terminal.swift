// SPDX-License-Identifier: Apache-2.0
// What standard output is: how wide, with or without colours; and writing to it.

internal import GoferBroke

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How a text looks on a terminal with colours.
enum Look: String {
    /// As it is.
    case plain = ""
    /// A heading.
    case heading = "1"
    /// All is well.
    case good = "32"
    /// Needs attention.
    case doubtful = "33"
    /// Failed.
    case bad = "31"
    /// Of little interest.
    case faint = "2"
}

/// What standard output is.
struct Terminal: Sendable {
    /// Columns; nil where lines may be of any length.
    var width: Int?
    /// Whether colours are wanted.
    var isColoured: Bool
    /// Whether a terminal interprets what is written.
    var isTerminal: Bool

    /// Plain text of any width: a file or a pipe.
    static let plain = Terminal(width: nil, isColoured: false, isTerminal: false)

    /// What standard output is now.
    static func current(_ environment: [String: String] = Environment.all) -> Terminal {
        Terminal(environment, isTerminal: isatty(STDOUT_FILENO) == 1, windowWidth: windowWidth())
    }

    /// Whether standard error is one: where progress is shown.
    static var isErrorTerminal: Bool {
        isatty(STDERR_FILENO) == 1
    }

    /// From what the system says.
    init(_ environment: [String: String], isTerminal: Bool, windowWidth: Int?) {
        let stated = environment["COLUMNS"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
        self.isTerminal = isTerminal
        self.width = stated ?? (isTerminal ? windowWidth ?? 80 : nil)
        self.isColoured = isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }

    private init(width: Int?, isColoured: Bool, isTerminal: Bool) {
        self.width = width
        self.isColoured = isColoured
        self.isTerminal = isTerminal
    }

    private static func windowWidth() -> Int? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// The text with the look, where there are colours.
    func styled(_ text: String, _ look: Look) -> String {
        guard self.isColoured, look != .plain, !text.isEmpty else { return text }
        return "\u{1b}[\(look.rawValue)m\(text)\u{1b}[0m"
    }
}

/// The environment of this process.
enum Environment {
    /// Every variable that is valid text.
    static let all: [String: String] = {
        var result: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            if let line = String(validatingCString: text), let equals = line.firstIndex(of: "=") {
                result[String(line[..<equals])] = String(line[line.index(after: equals)...])
            }
            entry += 1
        }
        return result
    }()
}

/// Writing to the standard streams, whole.
enum Console {
    /// Writes to standard output.
    static func write(_ text: String) throws(CommandFailure) {
        try self.write(Array(text.utf8))
    }

    /// Writes bytes to standard output.
    static func write(_ bytes: [UInt8]) throws(CommandFailure) {
        if let problem = self.write(bytes, to: STDOUT_FILENO) {
            throw CommandFailure(.failed, .failed, "cannot write to standard output: \(problem)")
        }
    }

    /// Writes a line to standard error; nobody can be told where that fails.
    static func complain(_ line: String) {
        _ = self.write(Array((line + "\n").utf8), to: STDERR_FILENO)
    }

    /// Writes to standard error as it is; nobody can be told where that fails.
    static func writeError(_ text: String) {
        _ = self.write(Array(text.utf8), to: STDERR_FILENO)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> String? {
        bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                #if canImport(Glibc)
                    let count = Glibc.write(descriptor, buffer.baseAddress.map { $0 + offset }, buffer.count - offset)
                #elseif canImport(Musl)
                    let count = Musl.write(descriptor, buffer.baseAddress.map { $0 + offset }, buffer.count - offset)
                #else
                    let count = Darwin.write(descriptor, buffer.baseAddress.map { $0 + offset }, buffer.count - offset)
                #endif
                if count > 0 {
                    offset += count
                } else if errno != EINTR {
                    return String(cString: strerror(errno))
                }
            }
            return nil
        }
    }
}
