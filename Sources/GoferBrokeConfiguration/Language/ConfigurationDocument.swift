// SPDX-License-Identifier: Apache-2.0
// The tree that a configuration text is parsed into. It knows the grammar, not the keys.

/// A parsed configuration text: a block of statements, with the place of each.
public struct ConfigurationDocument: Sendable, Hashable {
    /// The outermost statements, those of included files among them.
    public var root: ConfigurationBlock
    /// The file that was parsed, as it was named.
    public var file: String

    /// Which document it most likely is: one with `Cluster` or `SeedServers` is the cluster's, any other the node's.
    public var likelyKind: ConfigurationDocumentKind {
        root["Cluster"] == nil && root["SeedServers"] == nil ? .node : .cluster
    }

    /// Parses a configuration text.
    ///
    /// Any bytes are safe: what is not a configuration is refused with the place where it stops being one.
    ///
    /// - Parameters:
    ///   - bytes: The text, UTF-8.
    ///   - file: The name used in errors; includes are relative to its folder.
    ///   - environment: What `$NAME` stands for. The process environment is never read.
    ///   - fileSystem: Where included files come from.
    ///   - limits: The bounds of the language.
    public static func parse(
        _ bytes: some Sequence<UInt8>,
        file: String = "<text>",
        environment: [String: String] = [:],
        fileSystem: some ConfigurationFileSystem = LocalConfigurationFileSystem(),
        limits: ConfigurationLimits = .standard
    ) throws(ConfigurationError) -> ConfigurationDocument {
        var session = ParseSession(environment: environment, fileSystem: fileSystem, limits: limits)
        let root = try session.parseFile(Array(bytes), file: file)
        return ConfigurationDocument(root: root, file: file)
    }

    /// Reads and parses a file.
    public static func load(
        file: String,
        environment: [String: String] = [:],
        fileSystem: some ConfigurationFileSystem = LocalConfigurationFileSystem(),
        limits: ConfigurationLimits = .standard
    ) throws(ConfigurationError) -> ConfigurationDocument {
        let bytes: [UInt8]
        do {
            bytes = try fileSystem.contents(of: file, limit: limits.documentSize)
        } catch {
            let unread = ConfigurationError(.file, expected: "a file that can be read", found: "\(error)")
            throw unread.from(source: file)
        }
        return try parse(bytes, file: file, environment: environment, fileSystem: fileSystem, limits: limits)
    }

    /// What stands at a path such as `Cluster.PhiThreshold` or `SeedServers.0.Host`; nil if nothing does.
    public func value(at path: String) -> ConfigurationValue? {
        var value = ConfigurationValue(.block(root), at: SourcePosition(file: file, line: 1, column: 1))
        for component in path.split(separator: ".", omittingEmptySubsequences: false) {
            switch value.content {
            case .block(let block):
                guard let next = block[String(component)] else { return nil }
                value = next
            case .array(let elements):
                guard let index = Int(component), elements.indices.contains(index) else { return nil }
                value = elements[index]
            case .scalar:
                return nil
            }
        }
        return value
    }
}

/// The statements between two braces, or those of a whole document, in the order they were written.
public struct ConfigurationBlock: Sendable, Hashable {
    /// One `key = value`.
    public struct Statement: Sendable, Hashable {
        /// The key as written.
        public var key: String
        /// Where the key stands.
        public var position: SourcePosition
        /// What it is set to.
        public var value: ConfigurationValue
    }

    /// The statements. No two have the same key.
    public private(set) var statements: [Statement] = []
    private var indices: [String: Int] = [:]

    /// An empty block.
    public init() {}

    /// The value of a key; nil if the block does not have it.
    public subscript(key: String) -> ConfigurationValue? {
        indices[key].map { statements[$0].value }
    }

    /// The position of a key; nil if the block does not have it.
    public func position(of key: String) -> SourcePosition? {
        indices[key].map { statements[$0].position }
    }

    /// Adds a statement. A block under a key that is a block already is added to it; anything else given twice is an error.
    mutating func add(_ statement: Statement, prefix: String) throws(ConfigurationError) {
        let path = prefix.isEmpty ? statement.key : "\(prefix).\(statement.key)"
        guard let index = indices[statement.key] else {
            indices[statement.key] = statements.count
            statements.append(statement)
            return
        }
        guard case .block(var old) = statements[index].value.content, case .block(let new) = statement.value.content else {
            throw ConfigurationError(
                .duplicateKey,
                at: statement.position,
                key: path,
                expected: "each key once",
                found: "\(statement.key.quotedForError) again",
                hint: "it was first given at \(statements[index].position)"
            )
        }
        // Let go of the old block before it grows, else each of many small blocks would copy all before it.
        statements[index].value.content = .array([])
        for inner in new.statements {
            try old.add(inner, prefix: path)
        }
        statements[index].value.content = .block(old)
    }
}

/// A value and where it stands.
public struct ConfigurationValue: Sendable, Hashable {
    /// What a value can be. The type of a scalar is decided by the key it is given to.
    public indirect enum Content: Sendable, Hashable {
        /// A number, switch, duration, size, word or string, as text with escapes resolved.
        case scalar(Scalar)
        /// `[ … ]`.
        case array([ConfigurationValue])
        /// `{ … }`.
        case block(ConfigurationBlock)
    }

    /// A single value as text.
    public struct Scalar: Sendable, Hashable {
        /// How the text was written.
        public enum Origin: Sendable, Hashable {
            /// Without quotes.
            case bare
            /// In quotes.
            case quoted
            /// As `$NAME`, with the name.
            case environment(String)
        }

        /// The text, escapes and environment resolved.
        public var text: String
        /// How it was written.
        public var origin: Origin
    }

    /// What the value is.
    public var content: Content
    /// Where it begins.
    public var position: SourcePosition

    init(_ content: Content, at position: SourcePosition) {
        self.content = content
        self.position = position
    }

    /// The text of a scalar; nil for an array or block.
    public var text: String? {
        guard case .scalar(let scalar) = content else { return nil }
        return scalar.text
    }

    /// The value as errors show it.
    var shown: String {
        switch content {
        case .array: return "an array"
        case .block: return "a block"
        case .scalar(let scalar):
            guard case .environment(let name) = scalar.origin else { return scalar.text.quotedForError }
            return "\(scalar.text.quotedForError) from $\(name)"
        }
    }
}
