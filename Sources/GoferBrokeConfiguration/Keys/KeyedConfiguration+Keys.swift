// SPDX-License-Identifier: Apache-2.0
// Single keys of a configuration as text: reading, changing, listing, rendering, comparing.

/// A key with the value that is in force.
public struct ConfigurationEntry: Sendable, Hashable {
    /// The row of the table.
    public var key: ConfigurationKey
    /// The value as canonical text: `value(forKey:)` and `setting(key:to:)` use the same form.
    public var text: String
}

/// A key that differs between two configurations.
public struct ConfigurationDifference: Sendable, Hashable, CustomStringConvertible {
    /// The row of the table.
    public var key: ConfigurationKey
    /// The value in the configuration that was asked.
    public var text: String
    /// The value in the other.
    public var otherText: String

    /// One line for a log.
    public var description: String { "\(key.path): \(text.quotedForError) here, \(otherText.quotedForError) there" }
}

extension KeyedConfiguration {
    /// Every key that has a meaning, with the value in force, in the order of the table.
    public var entries: [ConfigurationEntry] {
        meaningfulSettings.map { ConfigurationEntry(key: $0.key, text: $0.key.type.text(of: $0.read(self))) }
    }

    /// The value of a key as canonical text.
    ///
    /// - Throws: For an unknown key, with the nearest known one, and for a key without meaning here.
    public func value(forKey path: String) throws(ConfigurationError) -> String {
        let setting = try Self.meaningfulSetting(path)
        return setting.key.type.text(of: setting.read(self))
    }

    /// This configuration with one key changed.
    ///
    /// - Parameters:
    ///   - path: The key, exactly as the table has it; an alias is fine.
    ///   - text: The value, as it would stand in a file without quotes. Lists are `HOST:PORT,HOST:PORT`.
    ///   - isRunning: Whether the change is for a running node or cluster; then a key that counts only from the start is refused.
    public func setting(key path: String, to text: String, isRunning: Bool = true) throws(ConfigurationError) -> Self {
        let setting = try Self.meaningfulSetting(path)
        guard setting.key.change == .live || !isRunning else {
            throw ConfigurationError(
                .fixedKey,
                key: path,
                expected: "a key that can change at run time",
                found: "one that counts only when the \(Self.document.rawValue) starts"
            )
        }
        guard text.utf8.count <= ConfigurationLimits.standard.stringSize else {
            throw ConfigurationError(
                .limit,
                key: path,
                expected: "a value of at most \(ConfigurationLimits.standard.stringSize) bytes",
                found: "\(text.utf8.count) bytes"
            )
        }
        if text.isEmpty, setting.key.type.emptyMeansDefault {
            var copy = self
            setting.write(&copy, setting.read(Self()))
            return copy
        }
        let value: SettingValue
        do {
            value = try setting.key.type.value(of: text)
        } catch {
            throw error.error(at: nil, key: path)
        }
        var copy = self
        setting.write(&copy, value)
        try copy.validateTogether()
        return copy
    }

    /// Checks every property against the table, for values that were set from code.
    public func validate() throws(ConfigurationError) {
        for setting in meaningfulSettings {
            let value = setting.read(self)
            let text = setting.key.type.text(of: value)
            do throws(ValueProblem) {
                guard try setting.key.type.value(of: text) == value else {
                    throw ValueProblem(code: .outOfRange, expected: setting.key.type.expectation, found: "a value that no text expresses")
                }
            } catch {
                throw error.error(at: nil, key: setting.key.path)
            }
        }
        try validateTogether()
    }

    /// The keys whose values differ from those of another configuration.
    public func differences(from other: Self) -> [ConfigurationDifference] {
        meaningfulSettings.compactMap { setting in
            let text = setting.key.type.text(of: setting.read(self))
            let otherText = setting.key.type.text(of: setting.read(other))
            guard text != otherText else { return nil }
            return ConfigurationDifference(key: setting.key, text: text, otherText: otherText)
        }
    }

    /// The whole configuration as a document of the language: parsed again, it gives an equal configuration.
    public func rendered() -> String {
        var lines: [String] = []
        var block: String?
        for setting in meaningfulSettings {
            let parts = setting.key.path.split(separator: ".")
            let inner = parts.count > 1 ? String(parts[0]) : nil
            if inner != block {
                if block != nil { lines.append("}") }
                if let inner { lines.append("\(inner) {") }
                block = inner
            }
            let name = parts.last.map(String.init) ?? setting.key.path
            lines.append("\(inner == nil ? "" : "    ")\(name) = \(setting.key.type.documentText(of: setting.read(self)))")
        }
        if block != nil { lines.append("}") }
        return lines.joined(separator: "\n") + "\n"
    }

    private var meaningfulSettings: [Setting<Self>] {
        Self.settings.filter { !$0.key.isMeaningless && $0.key.aliasOf == nil }
    }

    /// The setting with exactly this path, or an error that names the nearest.
    static func meaningfulSetting(_ path: String) throws(ConfigurationError) -> Setting<Self> {
        guard let setting = setting(at: path) else { throw ConfigurationKeys.unknown(path, in: document, at: nil) }
        guard !setting.key.isMeaningless else {
            throw ConfigurationError(
                .meaninglessKey,
                key: path,
                expected: "a key that has a meaning here",
                found: "one that is accepted in files and ignored",
                hint: setting.key.meaning
            )
        }
        return setting
    }
}
