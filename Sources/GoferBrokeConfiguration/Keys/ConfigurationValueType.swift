// SPDX-License-Identifier: Apache-2.0
// What a key can be set to: types with their ranges, text to value, value to text.

/// The type of a key with its range.
public enum ConfigurationValueType: Sendable, Hashable {
    /// `true`, `on`, `yes` or `false`, `off`, `no`.
    case boolean
    /// A switch that can't be turned on yet; the text says why.
    case booleanFixedOff(reason: String)
    /// A whole number.
    case integer(ClosedRange<Int>)
    /// A decimal number.
    case float(ClosedRange<Double>)
    /// A time span. A bare number counts in milliseconds where `bareMilliseconds` says so.
    case duration(ClosedRange<Duration>, bareMilliseconds: Bool)
    /// A number of bytes.
    case size(ClosedRange<Int>)
    /// A name: UTF-8 without control characters, so many bytes.
    case name(ClosedRange<Int>)
    /// A host name or address.
    case host
    /// A port; with `optional` an empty text means none.
    case port(ClosedRange<Int>, optional: Bool)
    /// One of some words, in any case.
    case choice([String])
    /// A list of hosts with ports, at most so many.
    case endpoints(atMost: Int)
    /// Anything: the key is known and means nothing here.
    case ignored

    /// The name of the type, as docs/CONFIGURATION.md gives it.
    public var name: String {
        switch self {
        case .boolean, .booleanFixedOff: return "boolean"
        case .integer: return "integer"
        case .float: return "float"
        case .duration: return "duration"
        case .size: return "size"
        case .name: return "string"
        case .host: return "host"
        case .port: return "port"
        case .choice: return "choice"
        case .endpoints: return "list of { Host, Port }"
        case .ignored: return "any"
        }
    }

    /// The range in words, as errors and docs/CONFIGURATION.md give it.
    public var range: String {
        switch self {
        case .boolean: return "true or false"
        case .booleanFixedOff: return "false"
        case .integer(let range): return "\(range.lowerBound) to \(range.upperBound)"
        case .float(let range): return "\(range.lowerBound) to \(range.upperBound)"
        case .duration(let range, _): return "\(Quantity.text(range.lowerBound)) to \(Quantity.text(range.upperBound))"
        case .size(let range): return "\(Quantity.text(size: range.lowerBound)) to \(Quantity.text(size: range.upperBound))"
        case .name(let range): return "\(range.lowerBound) to \(range.upperBound) bytes, no control characters"
        case .host: return "1 to \(Endpoint.hostSizeMax) bytes, no blanks"
        case .port(let range, let optional): return "\(range.lowerBound) to \(range.upperBound)\(optional ? ", or empty" : "")"
        case .choice(let words): return words.joined(separator: ", ")
        case .endpoints(let count): return "at most \(count)"
        case .ignored: return "anything"
        }
    }

    /// What errors say was expected when a text is not of this type at all.
    var expectation: String {
        switch self {
        case .boolean, .booleanFixedOff: return "true or false (or on, off, yes, no)"
        case .integer: return "an integer"
        case .float: return "a number such as 8.0"
        case .duration(_, let bare): return "a duration such as 500ms\(bare ? " or a number of milliseconds" : "")"
        case .size: return "a size such as 64KB or 1MiB"
        case .name: return "a string"
        case .host: return "a host name or address"
        case .port: return "a port number"
        case .choice(let words): return "one of \(words.joined(separator: ", "))"
        case .endpoints: return "a list such as [ { Host = localhost, Port = 8081 } ] or HOST:PORT,HOST:PORT"
        case .ignored: return "anything"
        }
    }
}

/// A value that was read, in the form of its type.
enum SettingValue: Sendable, Hashable {
    case none
    case boolean(Bool)
    case integer(Int)
    case float(Double)
    case duration(Duration)
    case text(String)
    case endpoints([Endpoint])
}

/// Why a text is not a value of a type. The caller adds the place and the key.
struct ValueProblem: Error {
    var code: ConfigurationError.Code
    var expected: String
    var found: String
    /// Set when the problem lies in an element of a list and was placed there already.
    var placed: ConfigurationError?

    init(code: ConfigurationError.Code, expected: String, found: String) {
        self.code = code
        self.expected = expected
        self.found = found
    }

    init(placed error: ConfigurationError) {
        self.init(code: error.code, expected: error.expected, found: error.found)
        self.placed = error
    }

    func error(at position: SourcePosition?, key: String) -> ConfigurationError {
        ConfigurationError(code, at: position, key: key, expected: expected, found: found)
    }
}

extension ConfigurationValueType {
    /// Whether an empty text stands for the default, as in the documents that list every key.
    var emptyMeansDefault: Bool {
        switch self {
        case .host: return true
        case .port(_, let optional): return !optional
        default: return false
        }
    }

    private func wrong(_ text: String) -> ValueProblem {
        ValueProblem(code: .wrongType, expected: expectation, found: text.quotedForError)
    }

    private func outside(_ text: String) -> ValueProblem {
        ValueProblem(
            code: .outOfRange,
            expected: "\(name == "integer" ? "an" : "a") \(name) in the range \(range)",
            found: text.quotedForError
        )
    }

    /// Reads a value from text, as given in a file, a variable or on a command line.
    func value(of text: String) throws(ValueProblem) -> SettingValue {
        switch self {
        case .boolean, .booleanFixedOff, .choice: return try word(text)
        case .integer, .float, .duration, .size, .port: return try number(text)
        case .name(let range):
            guard range.contains(text.utf8.count) else {
                throw ValueProblem(
                    code: .outOfRange,
                    expected: "a string of \(range.lowerBound) to \(range.upperBound) bytes",
                    found: text.isEmpty ? "an empty one" : "\(text.utf8.count) bytes"
                )
            }
            guard !text.hasControlCharacters else {
                throw ValueProblem(code: .outOfRange, expected: "a string without control characters", found: text.quotedForError)
            }
            return .text(text)
        case .host:
            guard Endpoint.isHost(text) else { throw wrong(text) }
            return .text(text)
        case .endpoints:
            return try endpoints(in: text)
        case .ignored:
            return .none
        }
    }

    private func word(_ text: String) throws(ValueProblem) -> SettingValue {
        switch self {
        case .choice(let words):
            guard let word = words.first(where: { $0.lowercased() == text.lowercased() }) else { throw wrong(text) }
            return .text(word)
        case .booleanFixedOff(let reason):
            guard let value = Quantity.boolean(text) else { throw wrong(text) }
            guard !value else { throw ValueProblem(code: .outOfRange, expected: "false (\(reason))", found: text.quotedForError) }
            return .boolean(false)
        default:
            guard let value = Quantity.boolean(text) else { throw wrong(text) }
            return .boolean(value)
        }
    }

    private func number(_ text: String) throws(ValueProblem) -> SettingValue {
        switch self {
        case .integer(let range):
            guard let value = Quantity.integer(text) else { throw isDigits(text) ? outside(text) : wrong(text) }
            guard range.contains(value) else { throw outside(text) }
            return .integer(value)
        case .float(let range):
            guard let value = Quantity.float(text) else { throw wrong(text) }
            guard range.contains(value) else { throw outside(text) }
            return .float(value)
        case .duration(let range, let bare):
            guard let value = Quantity.duration(text, bareMilliseconds: bare) else { throw wrong(text) }
            guard range.contains(value) else { throw outside(text) }
            return .duration(value)
        case .size(let range):
            guard let value = Quantity.size(text) else { throw wrong(text) }
            guard range.contains(value) else { throw outside(text) }
            return .integer(value)
        case .port(let range, let optional):
            if text.isEmpty, optional { return .none }
            guard isDigits(text) else { throw wrong(text) }
            guard let port = Endpoint.port(text), range.contains(Int(port)) else { throw outside(text) }
            return .integer(Int(port))
        default:
            throw wrong(text)
        }
    }

    /// Digits that are no `Int` are a number out of range, not another type.
    private func isDigits(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    private func endpoints(in text: String) throws(ValueProblem) -> SettingValue {
        guard !text.isEmpty else { return .endpoints([]) }
        var endpoints: [Endpoint] = []
        for part in text.unicodeScalars.split(separator: ",", omittingEmptySubsequences: false) {
            let begin = part.drop { $0 == " " }
            let end = begin.lastIndex { $0 != " " }.map { begin.index(after: $0) } ?? begin.startIndex
            let trimmed = String(begin[..<end])
            guard let endpoint = Endpoint(trimmed) else {
                throw ValueProblem(
                    code: .wrongType,
                    expected: "HOST:PORT with a port from 1 to 65535 (an IPv6 address in brackets)",
                    found: trimmed.quotedForError
                )
            }
            endpoints.append(endpoint)
        }
        return try checked(endpoints)
    }

    /// Checks the bound on a list.
    func checked(_ endpoints: [Endpoint]) throws(ValueProblem) -> SettingValue {
        guard case .endpoints(let count) = self, endpoints.count > count else { return .endpoints(endpoints) }
        throw ValueProblem(code: .outOfRange, expected: "at most \(count) addresses", found: "\(endpoints.count)")
    }

    /// The canonical text of a value: `value(of:)` reads it back as the same value.
    func text(of value: SettingValue) -> String {
        switch value {
        case .none: return ""
        case .boolean(let value): return value ? "true" : "false"
        case .integer(let value):
            guard case .size = self else { return "\(value)" }
            return Quantity.text(size: value)
        case .float(let value): return "\(value)"
        case .duration(let value): return Quantity.text(value)
        case .text(let value): return value
        case .endpoints(let endpoints): return endpoints.map(\.description).joined(separator: ",")
        }
    }

    /// The canonical text of a value as it stands in a document, quoted where the language wants it.
    func documentText(of value: SettingValue) -> String {
        switch value {
        case .none: return "\"\""
        case .text(let text):
            guard case .choice = self else { return text.quotedForDocument }
            return text
        case .endpoints(let endpoints):
            guard !endpoints.isEmpty else { return "[]" }
            return "[ " + endpoints.map { "{ Host = \($0.host.quotedForDocument), Port = \($0.port) }" }.joined(separator: ", ") + " ]"
        default: return text(of: value)
        }
    }
}

extension String {
    /// Whether any scalar would break a line or steer a terminal.
    var hasControlCharacters: Bool {
        unicodeScalars.contains { $0.isForbidden || $0 == "\n" || $0 == "\r" || $0 == "\t" }
    }

    /// The text as a quoted string of the language.
    var quotedForDocument: String {
        var quoted = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            default: quoted += scalar.isForbidden ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
            }
        }
        return quoted + "\""
    }
}
