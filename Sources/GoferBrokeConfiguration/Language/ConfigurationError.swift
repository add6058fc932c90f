// SPDX-License-Identifier: Apache-2.0
// The one error of this module: where, what was expected, what was found.

/// Why a configuration was refused.
///
/// `description` is one line fit for a terminal or a log:
/// `cluster.conf:3:14: expected a duration such as 500ms, found "fast" (key Cluster.GossipInterval)`.
public struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure this is. An open set: more may be added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// A short name, fit for a metric label.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// The bytes are not UTF-8, or hold a character that is not allowed.
        public static let encoding = Code("encoding")
        /// The text does not follow the grammar.
        public static let syntax = Code("syntax")
        /// A key that no table lists.
        public static let unknownKey = Code("unknown-key")
        /// A key that was given twice.
        public static let duplicateKey = Code("duplicate-key")
        /// A value of another type than the key takes.
        public static let wrongType = Code("wrong-type")
        /// A value of the right type outside the range of the key.
        public static let outOfRange = Code("out-of-range")
        /// A bound of the language itself was exceeded: size, nesting, includes, string length.
        public static let limit = Code("limit")
        /// A file could not be read, or includes form a circle.
        public static let file = Code("file")
        /// `$NAME` stands for an environment variable that is not set or can't be used.
        public static let environment = Code("environment")
        /// The key exists but can't be changed while the cluster runs.
        public static let fixedKey = Code("fixed-key")
        /// The key is accepted in files but means nothing here, so it can't be set or read.
        public static let meaninglessKey = Code("meaningless-key")
    }

    /// What kind of failure this is.
    public var code: Code
    /// Where: a file, or the name of another source such as `--gossip-interval`; nil when there is only a key.
    public var file: String?
    /// The line from 1; nil when the place is not in a file.
    public var line: Int?
    /// The column from 1; nil when the place is not in a file.
    public var column: Int?
    /// The full path of the key in question, for instance `Cluster.GossipInterval`.
    public var key: String?
    /// What would have been right.
    public var expected: String
    /// What was there instead, quoted and shortened where it comes from outside.
    public var found: String
    /// More that helps: the nearest key, the other place, the chain of includes.
    public var hint: String?

    init(
        _ code: Code,
        at position: SourcePosition? = nil,
        key: String? = nil,
        expected: String,
        found: String,
        hint: String? = nil
    ) {
        self.code = code
        self.file = position?.file
        self.line = position?.line
        self.column = position?.column
        self.key = key
        self.expected = expected
        self.found = found
        self.hint = hint
    }

    /// The place as `file:line:column`, or what is known of it; nil if nothing is.
    public var place: String? {
        guard let file else { return nil }
        guard let line, let column else { return file }
        return "\(file):\(line):\(column)"
    }

    /// One line: place, expected, found, key and hint.
    public var description: String {
        var text = place.map { "\($0): " } ?? ""
        text += "expected \(expected), found \(found)"
        if let key {
            text += " (key \(key))"
        }
        if let hint {
            text += "; \(hint)"
        }
        return text.onOneLine
    }

    /// The same error told of another source, for values that don't come from a file.
    func from(source: String) -> ConfigurationError {
        var copy = self
        copy.file = source
        copy.line = nil
        copy.column = nil
        return copy
    }
}

extension String {
    /// The text in double quotes, escaped and shortened, as errors show what they found.
    var quotedForError: String {
        let limit = 64
        var shown = "\""
        var count = 0
        for scalar in unicodeScalars {
            if count == limit {
                return shown + "…\" (\(utf8.count) bytes)"
            }
            shown += scalar.shown
            count += 1
        }
        return shown + "\""
    }

    /// The text with every line break and control character made visible.
    var onOneLine: String {
        guard unicodeScalars.contains(where: { $0.isForbidden || $0 == "\n" || $0 == "\r" || $0 == "\t" }) else { return self }
        return unicodeScalars.map { $0 == "\"" || $0 == "\\" ? String($0) : $0.shown }.joined()
    }
}

extension Unicode.Scalar {
    /// Control characters, and the two separators that some terminals take for a line break.
    var isForbidden: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: return self != "\n" && self != "\r" && self != "\t"
        default: return false
        }
    }

    fileprivate var shown: String {
        switch self {
        case "\"": return "\\\""
        case "\\": return "\\\\"
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default: return isForbidden ? "\\u{\(String(value, radix: 16))}" : String(self)
        }
    }
}
