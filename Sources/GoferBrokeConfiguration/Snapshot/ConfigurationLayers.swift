// SPDX-License-Identifier: Apache-2.0
// Flags before environment before file before defaults, as providers of swift-configuration.

public import Configuration
internal import SystemPackage

/// The sources of one document in the order of precedence: flags, environment, file, defaults.
public struct ConfigurationLayers<Root: KeyedConfiguration>: Sendable {
    /// The sources, the strongest first: hand them to a `ConfigReader`.
    public let providers: [any ConfigProvider]
    private let sources: [@Sendable (ConfigurationKey) -> String]
    private let warnings: [String]

    /// Puts the layers together and reads the file.
    ///
    /// - Parameters:
    ///   - flags: The flags that were given, by the path of the key they set; those not given must be absent.
    ///   - environment: The environment: `GOFERBROKE_…` variables, and what `$NAME` in the file stands for.
    ///   - file: The path of the file; nil for none.
    ///   - fileSystem: Where the file and those it includes come from.
    public init(
        flags: [String: String] = [:],
        environment: [String: String] = [:],
        file: String? = nil,
        fileSystem: any ConfigurationFileSystem = LocalConfigurationFileSystem()
    ) throws(ConfigurationError) {
        var providers: [any ConfigProvider] = [try Self.flagProvider(flags)]
        var sources: [@Sendable (ConfigurationKey) -> String] = [{ _ in "flag" }]
        providers.append(
            EnvironmentVariablesProvider(environmentVariables: Self.withoutAliases(environment)).prefixKeys(with: "goferbroke")
        )
        sources.append { "environment variable \($0.environmentName)" }
        var warnings: [String] = []
        if let file {
            let snapshot = try Self.snapshot(file, environment: environment, fileSystem: fileSystem)
            warnings = snapshot.warnings
            providers.append(SnapshotProvider(held: snapshot))
            sources.append { _ in file }
        }
        self.providers = providers
        self.sources = sources
        self.warnings = warnings
    }

    /// A reader over the layers.
    public var reader: ConfigReader { ConfigReader(providers: providers) }

    /// The configuration that the layers give: for each key the first layer that has it, else the default.
    ///
    /// Errors name the flag, variable or file that the value came from.
    public func resolved() throws(ConfigurationError) -> ParsedConfiguration<Root> {
        var assembly = ConfigurationAssembly<Root>()
        for setting in ConfigurationAssembly<Root>.settings {
            guard let (text, source) = lookup(setting.key) else { continue }
            do {
                try assembly.set(setting, to: text)
            } catch {
                throw error.from(source: source)
            }
        }
        var parsed = try assembly.finished()
        parsed.warnings = warnings
        return parsed
    }

    private func lookup(_ key: ConfigurationKey) -> (text: String, source: String)? {
        let absolute = AbsoluteConfigKey(ConfigKey(key.readerPath))
        for (provider, source) in zip(providers, sources) {
            if let text = try? provider.value(forKey: absolute, type: .string).value?.content, case .string(let text) = text {
                return (text, source(key))
            }
        }
        return nil
    }

    private static func flagProvider(_ flags: [String: String]) throws(ConfigurationError) -> InMemoryProvider {
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        for (path, text) in flags.sorted(by: { $0.key < $1.key }) {
            let setting = try Root.meaningfulSetting(path)
            let key = setting.key.aliasOf.flatMap { Root.setting(at: $0)?.key } ?? setting.key
            values[AbsoluteConfigKey(ConfigKey(key.readerPath))] = ConfigValue(.string(text), isSecret: false)
        }
        return InMemoryProvider(name: "flags", values: values)
    }

    /// A variable for an alias counts as one for its key, unless that is there too.
    private static func withoutAliases(_ environment: [String: String]) -> [String: String] {
        var environment = environment
        for setting in Root.settings {
            guard let original = setting.key.aliasOf.flatMap({ Root.setting(at: $0)?.key }) else { continue }
            if let text = environment[setting.key.environmentName], environment[original.environmentName] == nil {
                environment[original.environmentName] = text
            }
        }
        return environment
    }

    private static func snapshot(
        _ file: String,
        environment: [String: String],
        fileSystem: any ConfigurationFileSystem
    ) throws(ConfigurationError) -> GoferBrokeSnapshot {
        let options = GoferBrokeSnapshot.ParsingOptions(
            file: FilePath(file),
            document: Root.document,
            environment: environment,
            fileSystem: fileSystem
        )
        let bytes: [UInt8]
        do {
            bytes = try fileSystem.contents(of: file, limit: options.limits.documentSize)
        } catch {
            throw ConfigurationError(.file, expected: "a file that can be read", found: "\(error)").from(source: file)
        }
        return try GoferBrokeSnapshot(bytes: bytes, providerName: "file", parsingOptions: options)
    }
}

/// The names that environment variables may have.
public enum ConfigurationEnvironment {
    /// What every variable begins with.
    public static let prefix = "GOFERBROKE_"

    /// A sentence for each variable that looks like a setting and is none.
    public static func warnings(_ environment: [String: String]) -> [String] {
        let keys = ConfigurationKeys.cluster + ConfigurationKeys.node
        let known = Set(keys.map(\.environmentName))
        // Names the C library to programs in other languages.
        let foreign: Set<String> = ["GOFERBROKE_LIBRARY"]
        let unknown = environment.keys.filter {
            $0.hasPrefix(prefix) && $0.utf8.count <= 255 && !known.contains($0) && !foreign.contains($0)
        }
        return unknown.sorted().map { name in
            let nearest = known.sorted().map { (name: $0, distance: editDistance($0, name)) }.min { $0.distance < $1.distance }
            let hint = nearest.flatMap { $0.distance <= 3 ? "; did you mean \($0.name)?" : nil } ?? ""
            return "the environment variable \(name) sets no key\(hint)".onOneLine
        }
    }
}

extension KeyedConfiguration {
    /// Reads the configuration through a reader with any providers, each key by its `readerPath`.
    ///
    /// Values may be strings in the form of the language, or integers, numbers, switches and arrays of strings. What a provider
    /// can't convert and what the table refuses are errors, not silently the default.
    public init(reading reader: ConfigReader) async throws(ConfigurationError) {
        var assembly = ConfigurationAssembly<Self>()
        for setting in ConfigurationAssembly<Self>.settings {
            if let text = try await reader.text(of: setting.key) {
                try assembly.set(setting, to: text)
            }
        }
        self = try assembly.finished().configuration
    }
}

extension ConfigReader {
    /// The value of a key as text, whatever type its provider holds it in.
    fileprivate func text(of key: ConfigurationKey) async throws(ConfigurationError) -> String? {
        let name = ConfigKey(key.readerPath)
        do {
            return try await fetchString(forKey: name)
        } catch {
            // In-memory providers convert nothing: ask for the types that a value could have been given in.
            if let value = try? await fetchInt(forKey: name) { return "\(value)" }
            if let value = try? await fetchDouble(forKey: name) { return "\(value)" }
            if let value = try? await fetchBool(forKey: name) { return "\(value)" }
            if let value = try? await fetchStringArray(forKey: name) { return value.joined(separator: ",") }
            throw ConfigurationError(.wrongType, key: key.path, expected: key.type.expectation, found: "\(error)")
        }
    }
}

/// A configuration that is filled key by key from texts.
private struct ConfigurationAssembly<Root: KeyedConfiguration> {
    private var configuration = Root()
    private var given: [String] = []

    static var settings: [Setting<Root>] {
        Root.settings.filter { !$0.key.isMeaningless && $0.key.aliasOf == nil }
    }

    mutating func set(_ setting: Setting<Root>, to text: String) throws(ConfigurationError) {
        if text.isEmpty, setting.key.type.emptyMeansDefault { return }
        do {
            setting.write(&configuration, try setting.key.type.value(of: text))
        } catch {
            throw error.error(at: nil, key: setting.key.path)
        }
        given.append(setting.key.path)
    }

    func finished() throws(ConfigurationError) -> ParsedConfiguration<Root> {
        try configuration.validateTogether()
        return ParsedConfiguration(configuration, givenKeys: given)
    }
}

/// A file that was read already, as a provider: bounded, and with errors of this module only.
private struct SnapshotProvider: ConfigProvider {
    let held: GoferBrokeSnapshot

    var providerName: String { held.providerName }

    func value(forKey key: AbsoluteConfigKey, type: ConfigType) throws -> LookupResult {
        try held.value(forKey: key, type: type)
    }

    nonisolated(nonsending) func fetchValue(forKey key: AbsoluteConfigKey, type: ConfigType) async throws -> LookupResult {
        try held.value(forKey: key, type: type)
    }

    nonisolated(nonsending) func watchValue<Return: ~Copyable>(
        forKey key: AbsoluteConfigKey,
        type: ConfigType,
        updatesHandler:
            nonisolated(nonsending) (_ updates: ConfigUpdatesAsyncSequence<Result<LookupResult, any Error>, Never>) async throws -> Return
    ) async throws -> Return {
        try await watchValueFromValue(forKey: key, type: type, updatesHandler: updatesHandler)
    }

    func snapshot() -> any ConfigSnapshot { held }

    nonisolated(nonsending) func watchSnapshot<Return: ~Copyable>(
        updatesHandler: nonisolated(nonsending) (_ updates: ConfigUpdatesAsyncSequence<any ConfigSnapshot, Never>) async throws -> Return
    ) async throws -> Return {
        try await watchSnapshotFromSnapshot(updatesHandler: updatesHandler)
    }
}
