// SPDX-License-Identifier: Apache-2.0
// A document tree to a typed configuration: every key known, every value of its type and in its range, or an error.

/// A configuration as it was read, with what the reader noticed.
public struct ParsedConfiguration<Configuration: KeyedConfiguration>: Sendable, Hashable {
    /// The values: those given, else defaults.
    public var configuration: Configuration
    /// The keys that were given and have a meaning, by their main names, in the order of the document.
    public var givenKeys: [String]
    /// What is worth telling a person; one line each.
    public var warnings: [String]

    /// A configuration that nothing was read for: all defaults.
    public init(_ configuration: Configuration = Configuration(), givenKeys: [String] = [], warnings: [String] = []) {
        self.configuration = configuration
        self.givenKeys = givenKeys
        self.warnings = warnings
    }
}

extension KeyedConfiguration {
    /// Reads a configuration from text and drops the warnings; ``parse(_:file:environment:fileSystem:limits:)`` keeps them.
    public init(
        parsing text: String,
        file: String = "<text>",
        environment: [String: String] = [:],
        fileSystem: some ConfigurationFileSystem = LocalConfigurationFileSystem(),
        limits: ConfigurationLimits = .standard
    ) throws(ConfigurationError) {
        self = try Self.parse(text.utf8, file: file, environment: environment, fileSystem: fileSystem, limits: limits).configuration
    }

    /// Reads a configuration from bytes.
    ///
    /// - Parameters:
    ///   - bytes: The text, UTF-8. Any bytes are safe.
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
    ) throws(ConfigurationError) -> ParsedConfiguration<Self> {
        try read(
            ConfigurationDocument.parse(bytes, file: file, environment: environment, fileSystem: fileSystem, limits: limits)
        )
    }

    /// Reads a configuration from a file.
    public static func load(
        file: String,
        environment: [String: String] = [:],
        fileSystem: some ConfigurationFileSystem = LocalConfigurationFileSystem(),
        limits: ConfigurationLimits = .standard
    ) throws(ConfigurationError) -> ParsedConfiguration<Self> {
        try read(ConfigurationDocument.load(file: file, environment: environment, fileSystem: fileSystem, limits: limits))
    }

    /// Reads a configuration from a parsed document.
    public static func read(_ document: ConfigurationDocument) throws(ConfigurationError) -> ParsedConfiguration<Self> {
        var reader = DocumentReader<Self>()
        try reader.read(document.root, prefix: "")
        do {
            try reader.configuration.validateTogether()
        } catch {
            throw error.place == nil ? error.from(source: document.file) : error
        }
        var warnings: [String] = []
        if !reader.meaningless.isEmpty {
            let list = reader.meaningless.joined(separator: ", ")
            warnings.append("\(document.file): these keys are accepted but mean nothing here: \(list)".onOneLine)
        }
        return ParsedConfiguration(reader.configuration, givenKeys: reader.given, warnings: warnings)
    }

    /// The setting with this path, whatever its meaning.
    static func setting(at path: String) -> Setting<Self>? {
        settings.first { $0.key.path == path }
    }
}

/// Fills a configuration from a tree.
private struct DocumentReader<Configuration: KeyedConfiguration> {
    var configuration = Configuration()
    var given: [String] = []
    var meaningless: [String] = []
    /// Where each property was given: under an alias too, so that a key and its alias are one.
    private var positions: [String: SourcePosition] = [:]

    mutating func read(_ block: ConfigurationBlock, prefix: String) throws(ConfigurationError) {
        for statement in block.statements {
            let path = prefix + statement.key
            if let setting = Configuration.setting(at: path) {
                try assign(statement, to: setting)
            } else if Configuration.settings.contains(where: { $0.key.path.hasPrefix(path + ".") }) {
                guard case .block(let inner) = statement.value.content else {
                    throw ConfigurationError(
                        .wrongType,
                        at: statement.value.position,
                        key: path,
                        expected: "a block { … }",
                        found: statement.value.shown
                    )
                }
                try read(inner, prefix: path + ".")
            } else {
                throw ConfigurationKeys.unknown(path, in: Configuration.document, at: statement.position)
            }
        }
    }

    private mutating func assign(_ statement: ConfigurationBlock.Statement, to setting: Setting<Configuration>) throws(ConfigurationError) {
        let key = setting.key
        guard !key.isMeaningless else {
            meaningless.append(key.path)
            return
        }
        let canonical = key.aliasOf ?? key.path
        if let first = positions[canonical] {
            throw ConfigurationError(
                .duplicateKey,
                at: statement.position,
                key: canonical,
                expected: "each key once",
                found: "\(statement.key.quotedForError) again",
                hint: "it was first given at \(first)"
            )
        }
        positions[canonical] = statement.position
        if statement.value.text == "", key.type.emptyMeansDefault { return }
        setting.write(&configuration, try value(of: statement.value, for: key))
        given.append(canonical)
    }

    private func value(of value: ConfigurationValue, for key: ConfigurationKey) throws(ConfigurationError) -> SettingValue {
        do throws(ValueProblem) {
            switch value.content {
            case .scalar(let scalar): return try key.type.value(of: scalar.text)
            case .array, .block:
                guard case .array(let elements) = value.content, case .endpoints = key.type else {
                    throw ValueProblem(code: .wrongType, expected: key.type.expectation, found: value.shown)
                }
                return try key.type.checked(try endpoints(elements, key: key.path))
            }
        } catch {
            throw place(error, of: value, key: key.path)
        }
    }

    private func place(_ problem: ValueProblem, of value: ConfigurationValue, key: String) -> ConfigurationError {
        // A problem that was placed at an element keeps that place.
        if let placed = problem.placed { return placed }
        var error = problem.error(at: value.position, key: key)
        if case .scalar(let scalar) = value.content, case .environment(let name) = scalar.origin {
            error.found += " from $\(name)"
        }
        return error
    }

    private func endpoints(_ elements: [ConfigurationValue], key: String) throws(ValueProblem) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for (index, element) in elements.enumerated() {
            do throws(ConfigurationError) {
                endpoints.append(try endpoint(element, key: "\(key).\(index)"))
            } catch {
                throw ValueProblem(placed: error)
            }
        }
        return endpoints
    }

    /// `{ Host = …, Port = … }` or `"HOST:PORT"`.
    private func endpoint(_ value: ConfigurationValue, key: String) throws(ConfigurationError) -> Endpoint {
        switch value.content {
        case .scalar(let scalar):
            if let endpoint = Endpoint(scalar.text) { return endpoint }
        case .block(let block):
            return try endpoint(block, at: value.position, key: key)
        case .array:
            break
        }
        throw ConfigurationError(
            .wrongType,
            at: value.position,
            key: key,
            expected: "{ Host = …, Port = … } or \"HOST:PORT\"",
            found: value.shown
        )
    }

    private func endpoint(_ block: ConfigurationBlock, at position: SourcePosition, key: String) throws(ConfigurationError) -> Endpoint {
        for statement in block.statements where statement.key != "Host" && statement.key != "Port" {
            let nearest = ["Host", "Port"].first { editDistance($0.lowercased(), statement.key.lowercased().prefix(64).description) <= 2 }
            throw ConfigurationError(
                .unknownKey,
                at: statement.position,
                key: key,
                expected: "Host and Port",
                found: "unknown key \(statement.key.quotedForError)",
                hint: nearest.map { "did you mean \($0)?" }
            )
        }
        let host = try part("Host", of: block, type: .host, at: position, key: key)
        let port = try part("Port", of: block, type: .port(1...65_535, optional: false), at: position, key: key)
        guard case .text(let host) = host, case .integer(let port) = port, let port = UInt16(exactly: port) else {
            throw ConfigurationError(.wrongType, at: position, key: key, expected: "Host and Port", found: "a block")
        }
        return Endpoint(host: host, port: port)
    }

    private func part(
        _ name: String,
        of block: ConfigurationBlock,
        type: ConfigurationValueType,
        at position: SourcePosition,
        key: String
    ) throws(ConfigurationError) -> SettingValue {
        guard let value = block[name] else {
            throw ConfigurationError(.syntax, at: position, key: key, expected: "Host and Port", found: "a block without \(name)")
        }
        guard let text = value.text else {
            throw ConfigurationError(.wrongType, at: value.position, key: "\(key).\(name)", expected: type.expectation, found: value.shown)
        }
        do {
            return try type.value(of: text)
        } catch {
            throw place(error, of: value, key: "\(key).\(name)")
        }
    }
}
