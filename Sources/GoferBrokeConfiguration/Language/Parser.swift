// SPDX-License-Identifier: Apache-2.0
// Tokens to a tree: recursive, one level of recursion per level of nesting, all levels bounded.

/// What the parse of a file shares with the files it includes: the environment and the bounds used up so far.
struct ParseSession {
    let environment: [String: String]
    let fileSystem: any ConfigurationFileSystem
    let limits: ConfigurationLimits
    private var totalSize = 0
    private var includeCount = 0
    private var nodeCount = 0
    /// The files being parsed, outermost first: as named, and in the normal form that finds circles.
    private var chain: [(name: String, normal: String)] = []

    init(environment: [String: String], fileSystem: any ConfigurationFileSystem, limits: ConfigurationLimits) {
        self.environment = environment
        self.fileSystem = fileSystem
        self.limits = limits
    }

    /// Parses one file, those it includes with it.
    mutating func parseFile(_ bytes: [UInt8], file: String, depth: Int = 0, prefix: String = "") throws(ConfigurationError)
        -> ConfigurationBlock
    {
        var parser = FileParser(lexer: try Lexer(bytes, file: file, limits: limits))
        totalSize += bytes.count
        guard totalSize <= limits.totalSize else {
            let error = ConfigurationError(
                .limit,
                expected: "at most \(limits.totalSize) bytes with all included files",
                found: "more"
            )
            throw error.from(source: file)
        }
        chain.append((name: file, normal: normalPath(file)))
        defer { chain.removeLast() }
        return try parser.parseBlock(&self, depth: depth, prefix: prefix, end: .end)
    }

    /// Reads and parses the file that an `include` names.
    mutating func parseInclude(_ name: String, at position: SourcePosition, depth: Int, prefix: String) throws(ConfigurationError)
        -> ConfigurationBlock
    {
        let path = joinedPath(name, from: position.file)
        let normal = normalPath(path)
        let story = (chain.map(\.name) + [path]).joined(separator: " -> ")
        guard !chain.contains(where: { $0.normal == normal }) else {
            throw ConfigurationError(
                .file,
                at: position,
                expected: "includes without a circle",
                found: name.quotedForError,
                hint: "the chain is \(story)"
            )
        }
        guard chain.count <= limits.includeDepth else {
            throw ConfigurationError(
                .limit,
                at: position,
                expected: "at most \(limits.includeDepth) includes deep",
                found: name.quotedForError,
                hint: "the chain is \(story)"
            )
        }
        includeCount += 1
        guard includeCount <= limits.includeCount else {
            throw ConfigurationError(
                .limit,
                at: position,
                expected: "at most \(limits.includeCount) includes in all",
                found: "one more",
                hint: "the chain is \(story)"
            )
        }
        let bytes: [UInt8]
        do {
            bytes = try fileSystem.contents(of: path, limit: limits.documentSize)
        } catch {
            throw ConfigurationError(
                .file,
                at: position,
                expected: "a file that can be read at \(path.quotedForError)",
                found: "\(error)",
                hint: "the chain is \(story)"
            )
        }
        return try parseFile(bytes, file: path, depth: depth, prefix: prefix)
    }

    mutating func countNode(at position: SourcePosition) throws(ConfigurationError) {
        nodeCount += 1
        guard nodeCount <= limits.nodeCount else {
            throw ConfigurationError(
                .limit,
                at: position,
                expected: "at most \(limits.nodeCount) keys and elements",
                found: "one more"
            )
        }
    }

    func checkDepth(_ depth: Int, at position: SourcePosition) throws(ConfigurationError) {
        guard depth <= limits.nestingDepth else {
            throw ConfigurationError(
                .limit,
                at: position,
                expected: "at most \(limits.nestingDepth) levels of { and [",
                found: "one more"
            )
        }
    }

    /// What `$name` stands for.
    func variable(_ name: String, at position: SourcePosition) throws(ConfigurationError) -> ConfigurationValue.Scalar {
        guard let text = environment[name] else {
            throw ConfigurationError(
                .environment,
                at: position,
                expected: "the environment variable \(name) to be set",
                found: "no such variable"
            )
        }
        guard text.utf8.count <= limits.stringSize else {
            throw ConfigurationError(
                .limit,
                at: position,
                expected: "a value of at most \(limits.stringSize) bytes in $\(name)",
                found: "\(text.utf8.count) bytes"
            )
        }
        return ConfigurationValue.Scalar(text: text, origin: .environment(name))
    }

    /// An include is relative to the file that names it.
    private func joinedPath(_ name: String, from file: String) -> String {
        guard !name.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return name }
        return String(file[...slash]) + name
    }

    /// The path without `.`, `..` and doubled slashes, to see that two names mean one file. Only compared, never opened:
    /// with symbolic links `..` may lead elsewhere, and then the bound on depth ends the circle.
    private func normalPath(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == "..", let last = parts.last, last != ".." {
                parts.removeLast()
            } else {
                parts.append(part)
            }
        }
        return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}

/// Parses the tokens of one file.
private struct FileParser {
    private var lexer: Lexer

    init(lexer: Lexer) {
        self.lexer = lexer
    }

    private mutating func nextIgnoringNewlines(_ mode: Lexer.Mode) throws(ConfigurationError) -> Token {
        while true {
            let token = try lexer.next(mode)
            if token.kind != .newline { return token }
        }
    }

    /// Statements up to `end`, which is consumed: `}` for a block, the end of the file for a document.
    mutating func parseBlock(_ session: inout ParseSession, depth: Int, prefix: String, end: Token.Kind) throws(ConfigurationError)
        -> ConfigurationBlock
    {
        var block = ConfigurationBlock()
        var token = try nextIgnoringNewlines(.key)
        while token.kind != end {
            let (key, isQuoted) = try keyText(token, end: end)
            let keyPosition = token.position
            token = try lexer.next(.key)
            if key == "include", !isQuoted, case .string(let name) = token.kind {
                try session.countNode(at: keyPosition)
                let included = try session.parseInclude(name, at: token.position, depth: depth, prefix: prefix)
                for statement in included.statements {
                    try block.add(statement, prefix: prefix)
                }
            } else {
                try session.countNode(at: keyPosition)
                try parseAssignment(
                    &session,
                    into: &block,
                    key: key,
                    path: isQuoted ? [key] : key.split(separator: ".", omittingEmptySubsequences: false).map(String.init),
                    operator: token,
                    keyPosition: keyPosition,
                    depth: depth,
                    prefix: prefix
                )
            }
            token = try afterStatement(end: end)
        }
        return block
    }

    private func keyText(_ token: Token, end: Token.Kind) throws(ConfigurationError) -> (String, isQuoted: Bool) {
        switch token.kind {
        case .word(let key): return (key, false)
        case .string(let key) where !key.isEmpty: return (key, true)
        default:
            throw ConfigurationError(
                .syntax,
                at: token.position,
                expected: end == .end ? "a key" : "a key or \"}\"",
                found: token.kind.shown
            )
        }
    }

    /// `= value`, `: value` or `{ … }` after a key; `A.B = value` stands for `A { B = value }`.
    private mutating func parseAssignment(
        _ session: inout ParseSession,
        into block: inout ConfigurationBlock,
        key: String,
        path: [String],
        operator token: Token,
        keyPosition: SourcePosition,
        depth: Int,
        prefix: String
    ) throws(ConfigurationError) {
        guard !path.contains("") else {
            throw ConfigurationError(.syntax, at: keyPosition, expected: "names between the dots of a key", found: key.quotedForError)
        }
        let full = prefix.isEmpty ? key : "\(prefix).\(key)"
        let innerDepth = depth + path.count - 1
        try session.checkDepth(innerDepth, at: keyPosition)
        var value: ConfigurationValue
        switch token.kind {
        case .openBrace:
            value = try parseBraces(&session, at: token.position, depth: innerDepth + 1, prefix: full)
        case .equals, .colon:
            let first = try lexer.next(.value)
            value = try parseValue(&session, first: first, depth: innerDepth, prefix: full)
        default:
            throw ConfigurationError(
                .syntax,
                at: token.position,
                expected: "\"=\", \":\" or \"{\" after \(key.quotedForError)",
                found: token.kind.shown
            )
        }
        for name in path.dropFirst().reversed() {
            var wrapper = ConfigurationBlock()
            try wrapper.add(ConfigurationBlock.Statement(key: name, position: keyPosition, value: value), prefix: prefix)
            value = ConfigurationValue(.block(wrapper), at: value.position)
        }
        try block.add(ConfigurationBlock.Statement(key: path[0], position: keyPosition, value: value), prefix: prefix)
    }

    /// Checks what ends a statement and returns the token that begins the next one, or `end`.
    private mutating func afterStatement(end: Token.Kind) throws(ConfigurationError) -> Token {
        let token = try lexer.next(.key)
        switch token.kind {
        case .newline, .comma: return try nextIgnoringNewlines(.key)
        case end: return token
        default:
            throw ConfigurationError(
                .syntax,
                at: token.position,
                expected: "the end of the line, \",\"\(end == .closeBrace ? " or \"}\"" : "") after the value",
                found: token.kind.shown,
                hint: "quote strings that contain blanks"
            )
        }
    }

    private mutating func parseBraces(
        _ session: inout ParseSession,
        at position: SourcePosition,
        depth: Int,
        prefix: String
    ) throws(ConfigurationError) -> ConfigurationValue {
        try session.checkDepth(depth, at: position)
        return ConfigurationValue(.block(try parseBlock(&session, depth: depth, prefix: prefix, end: .closeBrace)), at: position)
    }

    private mutating func parseValue(
        _ session: inout ParseSession,
        first token: Token,
        depth: Int,
        prefix: String
    ) throws(ConfigurationError) -> ConfigurationValue {
        switch token.kind {
        case .word(let text):
            return ConfigurationValue(.scalar(.init(text: text, origin: .bare)), at: token.position)
        case .string(let text):
            return ConfigurationValue(.scalar(.init(text: text, origin: .quoted)), at: token.position)
        case .variable(let name):
            return ConfigurationValue(.scalar(try session.variable(name, at: token.position)), at: token.position)
        case .openBrace:
            return try parseBraces(&session, at: token.position, depth: depth + 1, prefix: prefix)
        case .openBracket:
            return try parseArray(&session, at: token.position, depth: depth + 1, prefix: prefix)
        case .closeBrace, .closeBracket, .equals, .colon, .comma, .newline, .end:
            throw ConfigurationError(.syntax, at: token.position, expected: "a value", found: token.kind.shown)
        }
    }

    /// Elements up to `]`, separated by commas or line ends; a trailing comma is fine.
    private mutating func parseArray(
        _ session: inout ParseSession,
        at position: SourcePosition,
        depth: Int,
        prefix: String
    ) throws(ConfigurationError) -> ConfigurationValue {
        try session.checkDepth(depth, at: position)
        var elements: [ConfigurationValue] = []
        var token = try nextIgnoringNewlines(.value)
        while token.kind != .closeBracket {
            try session.countNode(at: token.position)
            elements.append(try parseValue(&session, first: token, depth: depth, prefix: "\(prefix).\(elements.count)"))
            token = try lexer.next(.value)
            switch token.kind {
            case .newline:
                token = try nextIgnoringNewlines(.value)
                if token.kind == .comma {
                    token = try nextIgnoringNewlines(.value)
                }
            case .comma: token = try nextIgnoringNewlines(.value)
            case .closeBracket: break
            default:
                throw ConfigurationError(.syntax, at: token.position, expected: "\",\" or \"]\" after an element", found: token.kind.shown)
            }
        }
        return ConfigurationValue(.array(elements), at: position)
    }
}
