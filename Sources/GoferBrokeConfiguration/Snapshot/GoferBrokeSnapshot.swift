// SPDX-License-Identifier: Apache-2.0
// The language as a file format of swift-configuration.

public import Configuration
public import SystemPackage

/// A configuration file of this language, read by swift-configuration:
///
///     let file = try await FileProvider<GoferBrokeSnapshot>(
///         parsingOptions: .init(file: "cluster.conf", document: .cluster, environment: environment),
///         filePath: "cluster.conf"
///     )
///     let reader = ConfigReader(providers: [environmentProvider.prefixKeys(with: "goferbroke"), file])
///     reader.string(forKey: "cluster.gossipInterval")     // Cluster { GossipInterval = … }
///
/// A reader key is the path in the file with the first letter of each part in lower case; nothing else is folded. Every scalar
/// reads as a string; as another type where its text is of that type. Elements of arrays have their index in the path.
public struct GoferBrokeSnapshot: Sendable {
    /// What the parser needs to know besides the bytes.
    public struct ParsingOptions: FileParsingOptions {
        /// The file's path, for includes and errors: a provider hands over bytes alone.
        public var file: FilePath
        /// Which document it is; nil takes a text with `Cluster` or `SeedServers` for the cluster's and any other for the node's.
        public var document: ConfigurationDocumentKind?
        /// What `$NAME` stands for.
        public var environment: [String: String]
        /// Where included files come from.
        public var fileSystem: any ConfigurationFileSystem
        /// The bounds of the language.
        public var limits: ConfigurationLimits

        /// Creates options.
        public init(
            file: FilePath,
            document: ConfigurationDocumentKind? = nil,
            environment: [String: String] = [:],
            fileSystem: any ConfigurationFileSystem = LocalConfigurationFileSystem(),
            limits: ConfigurationLimits = .standard
        ) {
            self.file = file
            self.document = document
            self.environment = environment
            self.fileSystem = fileSystem
            self.limits = limits
        }

        /// Options for text that includes no files and uses no variables.
        public static var `default`: ParsingOptions {
            ParsingOptions(file: "<configuration>", fileSystem: NoConfigurationFiles())
        }
    }

    /// The provider that made this snapshot.
    public let providerName: String
    /// What is worth telling a person; one line each.
    public let warnings: [String]
    /// The keys that were given and have a meaning, in the order of the document.
    public let givenKeys: [String]
    private var values: [String: ConfigurationValue] = [:]

    /// Parses bytes and checks them against the table of keys, so that every error names its place in the file.
    public init(bytes: [UInt8], providerName: String, parsingOptions options: ParsingOptions) throws(ConfigurationError) {
        let document = try Self.document(bytes, options)
        let kind = options.document ?? document.likelyKind
        self.providerName = providerName
        switch kind {
        case .cluster: (self.givenKeys, self.warnings) = try Self.check(document, as: ClusterConfiguration.self)
        case .node: (self.givenKeys, self.warnings) = try Self.check(document, as: NodeConfiguration.self)
        }
        add(document.root, prefix: "")
        for key in ConfigurationKeys.keys(of: kind) {
            let plain = ConfigurationKey.readerPath(key.path)
            if let original = key.aliasOf, let value = values[plain] {
                values[ConfigurationKey.readerPath(original)] = value
            }
            if key.readerPath != plain {
                for (path, value) in values where path == plain || path.hasPrefix(plain + ".") {
                    values[key.readerPath + path.dropFirst(plain.count)] = value
                }
            }
        }
    }

    private static func document(_ bytes: [UInt8], _ options: ParsingOptions) throws(ConfigurationError) -> ConfigurationDocument {
        try parse(bytes, options, options.fileSystem)
    }

    private static func parse(
        _ bytes: [UInt8],
        _ options: ParsingOptions,
        _ fileSystem: some ConfigurationFileSystem
    ) throws(ConfigurationError) -> ConfigurationDocument {
        try ConfigurationDocument.parse(
            bytes,
            file: options.file.string,
            environment: options.environment,
            fileSystem: fileSystem,
            limits: options.limits
        )
    }

    private static func check<Root: KeyedConfiguration>(
        _ document: ConfigurationDocument,
        as type: Root.Type
    ) throws(ConfigurationError) -> (givenKeys: [String], warnings: [String]) {
        let parsed = try Root.read(document)
        return (parsed.givenKeys, parsed.warnings)
    }

    private mutating func add(_ block: ConfigurationBlock, prefix: String) {
        for statement in block.statements {
            add(statement.value, path: prefix + ConfigurationKey.readerPath(statement.key))
        }
    }

    private mutating func add(_ value: ConfigurationValue, path: String) {
        switch value.content {
        case .block(let block):
            add(block, prefix: path + ".")
        case .scalar:
            values[path] = value
        case .array(let elements):
            values[path] = value
            for (index, element) in elements.enumerated() {
                add(element, path: "\(path).\(index)")
            }
        }
    }
}

extension GoferBrokeSnapshot: FileConfigSnapshot {
    /// Called by `FileProvider` with the file's bytes.
    public init(data: RawSpan, providerName: String, parsingOptions: ParsingOptions) throws {
        let bytes = data.withUnsafeBytes { Array($0) }
        try self.init(bytes: bytes, providerName: providerName, parsingOptions: parsingOptions)
    }

    /// Looks a reader key up.
    public func value(forKey key: AbsoluteConfigKey, type: ConfigType) throws -> LookupResult {
        let path = key.components.joined(separator: ".")
        guard let value = values[path] else { return LookupResult(encodedKey: path, value: nil) }
        guard let content = content(of: value, as: type) else {
            throw ConfigurationError(.wrongType, at: value.position, key: path, expected: "a value of type \(type)", found: value.shown)
        }
        return LookupResult(encodedKey: path, value: ConfigValue(content, isSecret: false))
    }

    private func content(of value: ConfigurationValue, as type: ConfigType) -> ConfigContent? {
        let texts = GoferBrokeSnapshot.texts(of: value)
        let text = value.text
        switch type {
        case .string: return texts.map { .string(text ?? $0.joined(separator: ",")) }
        case .int: return text.flatMap { Quantity.integer($0) }.map { .int($0) }
        case .double: return text.flatMap { Quantity.float($0) }.map { .double($0) }
        case .bool: return text.flatMap { Quantity.boolean($0) }.map { .bool($0) }
        case .stringArray: return texts.map { .stringArray($0) }
        case .intArray: return GoferBrokeSnapshot.all(texts) { Quantity.integer($0) }.map { .intArray($0) }
        case .doubleArray: return GoferBrokeSnapshot.all(texts) { Quantity.float($0) }.map { .doubleArray($0) }
        case .boolArray: return GoferBrokeSnapshot.all(texts) { Quantity.boolean($0) }.map { .boolArray($0) }
        case .bytes, .byteChunkArray: return nil
        }
    }

    private static func all<Element>(_ texts: [String]?, _ convert: (String) -> Element?) -> [Element]? {
        guard let texts else { return nil }
        let elements = texts.compactMap(convert)
        return elements.count == texts.count ? elements : nil
    }

    /// An array's elements as texts, hosts with ports as `HOST:PORT`; a single text parted at its commas.
    private static func texts(of value: ConfigurationValue) -> [String]? {
        switch value.content {
        case .scalar(let scalar):
            return scalar.text.unicodeScalars.split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
        case .array(let elements): return all(elements)
        case .block: return nil
        }
    }

    private static func all(_ elements: [ConfigurationValue]) -> [String]? {
        var texts: [String] = []
        for element in elements {
            switch element.content {
            case .scalar(let scalar): texts.append(scalar.text)
            case .block(let block):
                guard let host = block["Host"]?.text, let port = block["Port"]?.text.flatMap({ Endpoint.port($0) }) else { return nil }
                texts.append(Endpoint(host: host, port: port).description)
            case .array: return nil
            }
        }
        return texts
    }

    /// The provider and how many values there are.
    public var description: String { "\(providerName)[\(values.count) values]" }

    /// The provider and every value.
    public var debugDescription: String {
        let list = values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.shown)" }.joined(separator: ", ")
        return "\(providerName)[\(values.count) values: \(list)]"
    }
}
