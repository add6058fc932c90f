// SPDX-License-Identifier: Apache-2.0
// A key with the type of its values.

/// A key of deltas with the type of its values.
///
/// Declared once, used by its name:
///
///     extension DeltaKey where Value == Int {
///         static var maxConnections: Self { .init("limits", "max_connections") }
///     }
///     try await node.set(.maxConnections, to: 1_000)
///     let limit = node.value(of: .maxConnections, from: "web-2")
///
/// Every participant has its own value of a key; only its owner writes it.
public struct DeltaKey<Value: DeltaValue>: Sendable, Hashable, CustomStringConvertible {
    /// The key group, 1 to 255 bytes.
    public let group: DeltaLabel
    /// The key, at most 1,024 bytes.
    public let key: DeltaLabel

    /// A key by group and name.
    public init(_ group: String, _ key: String) {
        self.init(group: DeltaLabel(group), key: DeltaLabel(key))
    }

    /// A key by labels, which may be any bytes.
    public init(group: DeltaLabel, key: DeltaLabel) {
        self.group = group
        self.key = key
    }

    /// Group and key for a person.
    public var description: String {
        "\(self.group):\(self.key)"
    }
}
