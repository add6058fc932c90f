// SPDX-License-Identifier: Apache-2.0
// Loggers for tests: what is logged goes to a closure.

import Logging

/// A line of a log; metadata of the logger itself is left out.
struct LogLine: Sendable, Hashable {
    var level: Logger.Level
    var message: String
    var metadata: [String: String]
}

/// A logger that hands its lines to a closure, on whatever thread they are logged.
func logger(level: Logger.Level = .info, _ tell: @escaping @Sendable (LogLine) -> Void) -> Logger {
    quietLogger(TellingHandler(tell: tell, logLevel: level))
}

private struct TellingHandler: LogHandler {
    let tell: @Sendable (LogLine) -> Void
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level

    init(tell: @escaping @Sendable (LogLine) -> Void, logLevel: Logger.Level) {
        self.tell = tell
        self.logLevel = logLevel
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let metadata = (event.metadata ?? [:]).mapValues { "\($0)" }
        self.tell(LogLine(level: event.level, message: "\(event.message)", metadata: metadata))
    }
}
