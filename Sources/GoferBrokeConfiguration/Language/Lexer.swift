// SPDX-License-Identifier: Apache-2.0
// Bytes to tokens. Counts lines and columns as it goes; every token is bounded.

/// A piece of the text.
struct Token {
    enum Kind: Equatable {
        case word(String)
        case string(String)
        case variable(String)
        case openBrace, closeBrace, openBracket, closeBracket
        case equals, colon, comma
        case newline
        case end

        /// The token as errors show it.
        var shown: String {
            switch self {
            case .word(let text), .string(let text): return text.quotedForError
            case .variable(let name): return "$\(name)"
            case .openBrace: return "\"{\""
            case .closeBrace: return "\"}\""
            case .openBracket: return "\"[\""
            case .closeBracket: return "\"]\""
            case .equals: return "\"=\""
            case .colon: return "\":\""
            case .comma: return "\",\""
            case .newline: return "the end of the line"
            case .end: return "the end of the file"
            }
        }
    }

    var kind: Kind
    var position: SourcePosition
}

/// Reads one file's scalars from front to back.
struct Lexer {
    /// In a key a colon ends the word, in a value it belongs to it (`localhost:8081`).
    enum Mode {
        case key
        case value
    }

    private let scalars: [Unicode.Scalar]
    private let file: String
    private let limits: ConfigurationLimits
    private var index = 0
    private var line = 1
    private var column = 1

    /// Checks the whole text first: UTF-8, size, no control characters besides tab and line ends.
    init(_ bytes: [UInt8], file: String, limits: ConfigurationLimits) throws(ConfigurationError) {
        self.file = file
        self.limits = limits
        guard bytes.count <= limits.documentSize else {
            let error = ConfigurationError(
                .limit,
                expected: "a file of at most \(limits.documentSize) bytes",
                found: "a larger one"
            )
            throw error.from(source: file)
        }
        self.scalars = try Lexer.decode(bytes, file: file)
        if scalars.first == "\u{FEFF}" {
            index = 1
        }
    }

    private static func decode(_ bytes: [UInt8], file: String) throws(ConfigurationError) -> [Unicode.Scalar] {
        var scalars: [Unicode.Scalar] = []
        scalars.reserveCapacity(bytes.count)
        var line = 1
        var column = 1
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        while true {
            switch decoder.decode(&iterator) {
            case .emptyInput:
                return scalars
            case .error:
                throw ConfigurationError(
                    .encoding,
                    at: SourcePosition(file: file, line: line, column: column),
                    expected: "UTF-8 text",
                    found: "bytes that are not UTF-8"
                )
            case .scalarValue(let scalar):
                if scalar.isForbidden {
                    throw ConfigurationError(
                        .encoding,
                        at: SourcePosition(file: file, line: line, column: column),
                        expected: "text without control characters",
                        found: "U+\(String(scalar.value, radix: 16, uppercase: true))"
                    )
                }
                scalars.append(scalar)
                if scalar == "\n" {
                    line += 1
                    column = 1
                } else {
                    column += 1
                }
            }
        }
    }

    var position: SourcePosition { SourcePosition(file: file, line: line, column: column) }

    private var current: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    private var following: Unicode.Scalar? { index + 1 < scalars.count ? scalars[index + 1] : nil }

    private mutating func advance() {
        if scalars[index] == "\n" {
            line += 1
            column = 1
        } else {
            column += 1
        }
        index += 1
    }

    /// The next token; comments and blanks are skipped, line ends are tokens.
    mutating func next(_ mode: Mode) throws(ConfigurationError) -> Token {
        skipBlanks()
        let start = position
        guard let scalar = current else { return Token(kind: .end, position: start) }
        let punctuation: Token.Kind?
        switch scalar {
        case "\n": punctuation = .newline
        case "{": punctuation = .openBrace
        case "}": punctuation = .closeBrace
        case "[": punctuation = .openBracket
        case "]": punctuation = .closeBracket
        case "=": punctuation = .equals
        case ",": punctuation = .comma
        case ":" where mode == .key: punctuation = .colon
        default: punctuation = nil
        }
        if let punctuation {
            advance()
            return Token(kind: punctuation, position: start)
        }
        switch scalar {
        case "\"", "'": return Token(kind: .string(try readString(quote: scalar)), position: start)
        case "$": return Token(kind: .variable(try readVariable()), position: start)
        default: return Token(kind: .word(try readWord(mode)), position: start)
        }
    }

    /// A comment begins where a token may begin; `//` within a word belongs to the word (`/var//lib`).
    private mutating func skipBlanks() {
        while let scalar = current {
            if scalar == " " || scalar == "\t" || scalar == "\r" {
                advance()
            } else if scalar == "#" || (scalar == "/" && following == "/") {
                while let inner = current, inner != "\n" {
                    _ = inner
                    advance()
                }
            } else {
                return
            }
        }
    }

    private mutating func readWord(_ mode: Mode) throws(ConfigurationError) -> String {
        let start = position
        let limit = mode == .key ? limits.keySize : limits.stringSize
        var word = String.UnicodeScalarView()
        var size = 0
        while let scalar = current, !Lexer.endsWord(scalar), !(mode == .key && scalar == ":") {
            size += UTF8.width(scalar)
            guard size <= limit else { throw tooLong(mode == .key ? "a key" : "a value", limit: limit, at: start) }
            word.append(scalar)
            advance()
        }
        return String(word)
    }

    private static func endsWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case " ", "\t", "\r", "\n", "{", "}", "[", "]", ",", "=", "#", "\"", "'": return true
        default: return false
        }
    }

    private func tooLong(_ what: String, limit: Int, at start: SourcePosition) -> ConfigurationError {
        ConfigurationError(.limit, at: start, expected: "\(what) of at most \(limit) bytes", found: "a longer one")
    }

    private mutating func readString(quote: Unicode.Scalar) throws(ConfigurationError) -> String {
        let start = position
        advance()
        var text = String.UnicodeScalarView()
        var size = 0
        while true {
            guard let scalar = current, scalar != "\n" else {
                throw ConfigurationError(
                    .syntax,
                    at: start,
                    expected: "a closing \(quote) on the same line",
                    found: current == nil ? "the end of the file" : "the end of the line"
                )
            }
            let resolved: Unicode.Scalar
            if scalar == quote {
                advance()
                return String(text)
            } else if scalar == "\\" {
                resolved = try readEscape()
            } else {
                resolved = scalar
                advance()
            }
            size += UTF8.width(resolved)
            guard size <= limits.stringSize else { throw tooLong("a string", limit: limits.stringSize, at: start) }
            text.append(resolved)
        }
    }

    private mutating func readEscape() throws(ConfigurationError) -> Unicode.Scalar {
        let start = position
        advance()
        let escape = current
        if escape != nil, escape != "\n" {
            advance()
        }
        switch escape {
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "\"": return "\""
        case "'": return "'"
        case "\\": return "\\"
        case "u": return try readUnicodeEscape(start)
        default:
            let found = escape.map { $0 == "\n" ? "the end of the line" : "\\\($0)".quotedForError } ?? "the end of the file"
            throw ConfigurationError(
                .syntax,
                at: start,
                expected: "one of the escapes \\n \\t \\r \\\" \\' \\\\ \\u{…}",
                found: found
            )
        }
    }

    private mutating func readUnicodeEscape(_ start: SourcePosition) throws(ConfigurationError) -> Unicode.Scalar {
        var digits = ""
        if current == "{" {
            advance()
            while let digit = current, digit.properties.isASCIIHexDigit, digits.utf8.count < 7 {
                digits.unicodeScalars.append(digit)
                advance()
            }
            if current == "}", let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value) {
                advance()
                return scalar
            }
        }
        throw ConfigurationError(
            .syntax,
            at: start,
            expected: "a Unicode character such as \\u{e9}",
            found: "\\u{\(digits)".quotedForError
        )
    }

    /// `$NAME` or `${NAME}`.
    private mutating func readVariable() throws(ConfigurationError) -> String {
        let start = position
        advance()
        let isBraced = current == "{"
        if isBraced {
            advance()
        }
        var name = String.UnicodeScalarView()
        while let scalar = current, Lexer.isNamePart(scalar, first: name.isEmpty) {
            guard name.count < limits.keySize else { throw tooLong("a variable name", limit: limits.keySize, at: start) }
            name.append(scalar)
            advance()
        }
        let isClosed = isBraced ? current == "}" : current.map { Lexer.endsWord($0) } ?? true
        guard !name.isEmpty, isClosed else {
            throw ConfigurationError(
                .syntax,
                at: start,
                expected: "the name of an environment variable such as $PORT",
                found: "$\(String(name))\(current.map { $0 == "\n" ? "" : String($0) } ?? "")".quotedForError,
                hint: "quote strings that contain $"
            )
        }
        if isBraced {
            advance()
        }
        return String(name)
    }

    private static func isNamePart(_ scalar: Unicode.Scalar, first: Bool) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "_": return true
        case "0"..."9": return !first
        default: return false
        }
    }
}
