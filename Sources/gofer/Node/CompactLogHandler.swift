// SPDX-License-Identifier: Apache-2.0
// One line a log message: time, level, message, metadata; as text or as JSON. No value can drive the terminal.

internal import GoferBroke
internal import GoferBrokeConfiguration
internal import Logging

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Where log lines go, and from which level on; shared by all loggers of the process.
final class LogSink: Sendable {
    /// How a line looks.
    enum Format {
        /// `2026-01-31T23:59:59.007Z info  message key=value`
        case text
        /// `{"level":…,"message":…,"time":…, …}`
        case json
    }

    /// How lines look.
    let format: Format
    private let write: @Sendable (String) -> Void
    private let threshold: Mutex<Logger.Level>

    /// A sink that hands each line, with its line break, to `write`.
    init(format: Format, level: Logger.Level, write: @escaping @Sendable (String) -> Void) {
        self.format = format
        self.write = write
        self.threshold = Mutex(level)
    }

    /// Where a node's lines go, and how they look, as the node document says.
    struct Destination: Hashable {
        var format: Format
        var descriptor: Int32

        init(_ output: ConfigurationLogOutput) {
            switch output {
            case .stdout: (self.format, self.descriptor) = (.text, STDOUT_FILENO)
            case .stderr: (self.format, self.descriptor) = (.text, STDERR_FILENO)
            case .json: (self.format, self.descriptor) = (.json, STDOUT_FILENO)
            }
        }
    }

    /// A sink that writes to a stream of this process. A line is one write, so that lines of processes don't mix.
    convenience init(_ destination: Destination, level: Logger.Level) {
        let descriptor = destination.descriptor
        self.init(format: destination.format, level: level) { line in
            let bytes = Array(line.utf8)
            var offset = 0
            while offset < bytes.count {
                let count = bytes[offset...].withUnsafeBytes { send($0, to: descriptor) }
                if count > 0 {
                    offset += count
                } else if errno != EINTR {
                    // There is nowhere to say that saying failed.
                    return
                }
            }
        }
    }

    /// From which level on lines are written.
    var level: Logger.Level {
        get { self.threshold.withLock { $0 } }
        set { self.threshold.withLock { $0 = newValue } }
    }

    /// A logger that writes here.
    func logger(label: String) -> Logger {
        Logger(label: label) { _ in CompactLogHandler(sink: self) }
    }

    fileprivate func log(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) {
        let time = ClientTime.now().description
        switch self.format {
        case .text: self.write(LogLine.text(time: time, level: level, message: message, metadata: metadata) + "\n")
        case .json: self.write(LogLine.json(time: time, level: level, message: message, metadata: metadata) + "\n")
        }
    }
}

/// Writes what fits at once; negative where that failed.
private func send(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}

/// How a log line looks.
enum LogLine {
    /// One line of text, metadata sorted by key.
    static func text(time: String, level: Logger.Level, message: String, metadata: Logger.Metadata) -> String {
        var line = "\(time) \(level.rawValue.padded(to: 8)) \(message.shown())"
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let text = "\(value)"
            let needsQuotes = text.isEmpty || text.contains { $0 == " " || $0 == "\"" || $0 == "=" }
            line += " \(key.shown())=" + (needsQuotes ? self.inQuotes(text) : text.shown())
        }
        return line
    }

    private static func inQuotes(_ text: String) -> String {
        var escaped = ""
        for character in text {
            if character == "\"" || character == "\\" { escaped.append("\\") }
            escaped.append(character)
        }
        return "\"\(escaped.shown())\""
    }

    /// One JSON object.
    static func json(time: String, level: Logger.Level, message: String, metadata: Logger.Metadata) -> String {
        var fields = Dictionary(metadata.map { ($0.key, "\($0.value)") }) { first, _ in first }
        fields["time"] = time
        fields["level"] = level.rawValue
        fields["message"] = message
        guard let bytes = try? ClientJSON.encode(fields) else { return "{}" }
        return ShownJSON.line(bytes)
    }
}

/// Writes log messages as single lines.
struct CompactLogHandler: LogHandler {
    let sink: LogSink
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private var ownLevel: Logger.Level?

    /// A handler of a sink, whose level it follows until it is given one of its own.
    init(sink: LogSink) {
        self.sink = sink
    }

    var logLevel: Logger.Level {
        get { self.ownLevel ?? self.sink.level }
        set { self.ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var merged = self.metadata
        merged.merge(self.metadataProvider?.get() ?? [:]) { $1 }
        merged.merge(event.metadata ?? [:]) { $1 }
        self.sink.log(event.level, "\(event.message)", merged)
    }
}
