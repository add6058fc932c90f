// SPDX-License-Identifier: Apache-2.0
// Codable values as deltas: JSON text.

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// A `Codable` type whose values travel as JSON, in deltas of type `string`.
///
///     struct Limits: CodableDeltaValue { var connections: Int; var timeout: Double }
///
/// Keys are sorted, so that equal values are equal bytes on every node.
public protocol CodableDeltaValue: DeltaValue, Codable {}

extension CodableDeltaValue {
    /// Text: JSON.
    public static var deltaValueType: DeltaValueType { .string }

    /// JSON with sorted keys.
    public func deltaBytes() throws(GoferBrokeError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(self))
        } catch {
            throw GoferBrokeError(code: .encoding, operation: "encode a \(Self.self)", reason: "\(error)")
        }
    }

    /// Nil if the bytes are not the JSON of such a value.
    public init?(deltaBytes: [UInt8]) {
        guard let value = try? JSONDecoder().decode(Self.self, from: Data(deltaBytes)) else { return nil }
        self = value
    }
}

/// A `Codable` value of a type that one can't or does not want to extend: `DeltaKey<Coded<[String: Int]>>`.
///
/// On the wire it is the JSON of the value inside.
public struct Coded<Value: Codable & Sendable>: CodableDeltaValue {
    /// The value inside.
    public var value: Value

    /// Wraps a value.
    public init(_ value: Value) {
        self.value = value
    }

    /// Reads the value inside.
    public init(from decoder: any Decoder) throws {
        self.value = try decoder.singleValueContainer().decode(Value.self)
    }

    /// Writes the value inside.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.value)
    }
}

extension Coded: Equatable where Value: Equatable {}
extension Coded: Hashable where Value: Hashable {}
