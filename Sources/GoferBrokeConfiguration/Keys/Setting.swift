// SPDX-License-Identifier: Apache-2.0
// Ties a key to the property it fills, so that table, parser, rendering and defaults can't drift apart.

/// A configuration whose properties are filled from a table of keys.
public protocol KeyedConfiguration: Sendable, Hashable {
    /// Creates the configuration with every default.
    init()
    /// The document it is read from.
    static var document: ConfigurationDocumentKind { get }
    /// Its keys, each with the property it fills.
    static var settings: [Setting<Self>] { get }
    /// Checks what no single key can: properties that are bounded together.
    func validateTogether() throws(ConfigurationError)
}

extension KeyedConfiguration {
    /// Nothing to check unless the document says so.
    public func validateTogether() throws(ConfigurationError) {}
}

/// A key and the property it fills. Keys without meaning here fill none.
public struct Setting<Root: Sendable>: Sendable {
    /// The row of the table.
    public let key: ConfigurationKey
    let read: @Sendable (Root) -> SettingValue
    let write: @Sendable (inout Root, SettingValue) -> Void
}

extension Setting where Root: KeyedConfiguration {
    private init(
        _ path: String,
        _ type: ConfigurationValueType,
        _ change: ConfigurationKey.Change,
        aliasOf: String? = nil,
        _ meaning: String,
        read: @escaping @Sendable (Root) -> SettingValue,
        write: @escaping @Sendable (inout Root, SettingValue) -> Void
    ) {
        self.key = ConfigurationKey(
            path: path,
            document: Root.document,
            type: type,
            defaultText: type.text(of: read(Root())),
            change: change,
            meaning: meaning,
            aliasOf: aliasOf
        )
        self.read = read
        self.write = write
    }

    static func boolean(
        _ path: String,
        _ property: any WritableKeyPath<Root, Bool> & Sendable,
        fixedOff reason: String? = nil,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        Setting(path, reason.map { .booleanFixedOff(reason: $0) } ?? .boolean, change, meaning) {
            .boolean($0[keyPath: property])
        } write: { root, value in
            if case .boolean(let value) = value { root[keyPath: property] = value }
        }
    }

    static func integer(
        _ path: String,
        _ property: any WritableKeyPath<Root, Int> & Sendable,
        _ range: ClosedRange<Int>,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        whole(path, .integer(range), property, change, meaning)
    }

    static func size(
        _ path: String,
        _ property: any WritableKeyPath<Root, Int> & Sendable,
        _ range: ClosedRange<Int>,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        whole(path, .size(range), property, change, meaning)
    }

    private static func whole(
        _ path: String,
        _ type: ConfigurationValueType,
        _ property: any WritableKeyPath<Root, Int> & Sendable,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        Setting(path, type, change, meaning) {
            .integer($0[keyPath: property])
        } write: { root, value in
            if case .integer(let value) = value { root[keyPath: property] = value }
        }
    }

    static func float(
        _ path: String,
        _ property: any WritableKeyPath<Root, Double> & Sendable,
        _ range: ClosedRange<Double>,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        Setting(path, .float(range), change, meaning) {
            .float($0[keyPath: property])
        } write: { root, value in
            if case .float(let value) = value { root[keyPath: property] = value }
        }
    }

    static func duration(
        _ path: String,
        _ property: any WritableKeyPath<Root, Duration> & Sendable,
        _ range: ClosedRange<Duration>,
        bareMilliseconds: Bool = false,
        _ change: ConfigurationKey.Change,
        aliasOf: String? = nil,
        _ meaning: String
    ) -> Setting {
        Setting(path, .duration(range, bareMilliseconds: bareMilliseconds), change, aliasOf: aliasOf, meaning) {
            .duration($0[keyPath: property])
        } write: { root, value in
            if case .duration(let value) = value { root[keyPath: property] = value }
        }
    }

    static func name(
        _ path: String,
        _ property: any WritableKeyPath<Root, String> & Sendable,
        bytes range: ClosedRange<Int> = 1...255,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        text(path, .name(range), property, change, meaning)
    }

    static func host(
        _ path: String,
        _ property: any WritableKeyPath<Root, String> & Sendable,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        text(path, .host, property, change, meaning)
    }

    private static func text(
        _ path: String,
        _ type: ConfigurationValueType,
        _ property: any WritableKeyPath<Root, String> & Sendable,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        Setting(path, type, change, meaning) {
            .text($0[keyPath: property])
        } write: { root, value in
            if case .text(let value) = value { root[keyPath: property] = value }
        }
    }

    static func port(
        _ path: String,
        _ property: any WritableKeyPath<Root, UInt16> & Sendable,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        Setting(path, .port(0...65_535, optional: false), change, meaning) {
            .integer(Int($0[keyPath: property]))
        } write: { root, value in
            if case .integer(let value) = value, let port = UInt16(exactly: value) { root[keyPath: property] = port }
        }
    }

    static func optionalPort(
        _ path: String,
        _ property: any WritableKeyPath<Root, UInt16?> & Sendable,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        Setting(path, .port(0...65_535, optional: true), change, meaning) {
            $0[keyPath: property].map { .integer(Int($0)) } ?? .none
        } write: { root, value in
            if case .integer(let value) = value {
                root[keyPath: property] = UInt16(exactly: value)
            } else {
                root[keyPath: property] = nil
            }
        }
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
        _ path: String,
        _ property: any WritableKeyPath<Root, Choice> & Sendable,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        Setting(path, .choice(Choice.allCases.map(\.rawValue)), change, meaning) {
            .text($0[keyPath: property].rawValue)
        } write: { root, value in
            if case .text(let text) = value, let choice = Choice(rawValue: text) { root[keyPath: property] = choice }
        }
    }

    static func endpoints(
        _ path: String,
        _ property: any WritableKeyPath<Root, [Endpoint]> & Sendable,
        atMost count: Int,
        _ change: ConfigurationKey.Change,
        _ meaning: String
    ) -> Setting {
        Setting(path, .endpoints(atMost: count), change, meaning) {
            .endpoints($0[keyPath: property])
        } write: { root, value in
            if case .endpoints(let value) = value { root[keyPath: property] = value }
        }
    }

    /// A key of the older vocabulary that has no counterpart here; the text says why.
    static func ignored(_ path: String, _ reason: String) -> Setting {
        Setting(path, .ignored, .restart, reason) { _ in
            .none
        } write: { _, _ in
        }
    }
}
