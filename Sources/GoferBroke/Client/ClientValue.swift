// SPDX-License-Identifier: Apache-2.0
// Keys and values as JSON, exactly: what JSON can't carry as it is travels as base64.

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Bytes as JSON: a string where they are UTF-8, else `{"base64": …}`. For key groups and keys.
package struct ClientLabel: Codable, Sendable, Hashable {
    /// The bytes.
    package var label: DeltaLabel

    /// Wraps a label.
    package init(_ label: DeltaLabel) {
        self.label = label
    }

    /// Reads a string or `{"base64": …}`.
    package init(from decoder: any Decoder) throws {
        switch try ClientValue(from: decoder) {
        case .text(let text): self.label = DeltaLabel(text)
        case .base64(let bytes): self.label = DeltaLabel(bytes: bytes)
        default: throw ClientFailure(.badRequest, "a key group or key must be a string or {\"base64\": …}")
        }
    }

    /// Writes a string or `{"base64": …}`.
    package func encode(to encoder: any Encoder) throws {
        try ClientValue(text: self.label.bytes).encode(to: encoder)
    }
}

/// A value as JSON: a string, a number, a truth value or `{"base64": …}`.
package enum ClientValue: Codable, Sendable, Hashable {
    /// A string.
    case text(String)
    /// `{"base64": …}`
    case base64([UInt8])
    /// A number that fits.
    case signed(Int64)
    /// A number above those.
    case unsigned(UInt64)
    /// Any other number.
    case number(Double)
    /// A truth value.
    case bool(Bool)

    /// The longest JSON string; a longer one travels as base64, so that every value fits into a frame.
    static let stringSizeMax = 6 << 20

    private struct Box: Codable {
        var base64: String
    }

    /// Text where the bytes are UTF-8 and stay short as a JSON string, else base64.
    package init(text bytes: [UInt8]) {
        // A control character becomes up to six bytes, a quote or backslash two.
        let size = bytes.reduce(bytes.count) { $0 + ($1 < 0x20 ? 5 : ($1 == 0x22 || $1 == 0x5c ? 1 : 0)) }
        if size <= ClientValue.stringSizeMax, let text = String(validating: bytes, as: UTF8.self) {
            self = .text(text)
        } else {
            self = .base64(bytes)
        }
    }

    /// Reads any of the forms.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            // Integers have no negative zero.
            let number = value == 0 ? try? container.decode(Double.self) : nil
            self = number?.sign == .minus ? .number(-0.0) : .signed(value)
        } else if let value = try? container.decode(UInt64.self) {
            self = .unsigned(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let box = try? container.decode(Box.self) {
            guard let data = Data(base64Encoded: box.base64) else { throw ClientFailure(.badRequest, "that is not base64") }
            self = .base64(Array(data))
        } else {
            throw ClientFailure(.badRequest, "a value must be a string, a number, true, false or {\"base64\": …}")
        }
    }

    /// Writes the form that it has.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .base64(let bytes): try container.encode(Box(base64: Data(bytes).base64EncodedString()))
        case .signed(let value): try container.encode(value)
        case .unsigned(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .bool(let value): try container.encode(value)
        }
    }
}

// MARK: Between JSON and the bytes of a type

extension ClientValue {
    private static let nonFinite: [(name: String, value: Double)] = [
        ("NaN", .nan), ("Infinity", .infinity), ("-Infinity", -.infinity),
    ]

    /// The JSON of a value. Bytes that are no value of their type, and types of newer nodes, are base64.
    package init(type: DeltaValueType, bytes: [UInt8]) {
        switch type {
        case .string: self.init(text: bytes)
        case .int, .int64: self = ClientValue.signed(bytes, as: Int64.self)
        case .int8: self = ClientValue.signed(bytes, as: Int8.self)
        case .int16: self = ClientValue.signed(bytes, as: Int16.self)
        case .int32: self = ClientValue.signed(bytes, as: Int32.self)
        case .uint8: self = ClientValue.unsigned(bytes, as: UInt8.self)
        case .uint16: self = ClientValue.unsigned(bytes, as: UInt16.self)
        case .uint32: self = ClientValue.unsigned(bytes, as: UInt32.self)
        case .uint64: self = ClientValue.unsigned(bytes, as: UInt64.self)
        case .float64: self = Double(deltaBytes: bytes).map(ClientValue.float) ?? .base64(bytes)
        case .bool: self = Bool(deltaBytes: bytes).map(ClientValue.bool) ?? .base64(bytes)
        default: self = .base64(bytes)
        }
    }

    private static func signed<Number: FixedWidthInteger>(_ bytes: [UInt8], as type: Number.Type) -> ClientValue {
        Number(bigEndianBytes: bytes).map { .signed(Int64($0)) } ?? .base64(bytes)
    }

    private static func unsigned<Number: FixedWidthInteger>(_ bytes: [UInt8], as type: Number.Type) -> ClientValue {
        Number(bigEndianBytes: bytes).map { .unsigned(UInt64($0)) } ?? .base64(bytes)
    }

    private static func float(_ value: Double) -> ClientValue {
        if value.isFinite { return .number(value) }
        return .text(value.isNaN ? "NaN" : (value < 0 ? "-Infinity" : "Infinity"))
    }

    /// The bytes of a type that this JSON stands for.
    ///
    /// - Throws: Where it is another kind of JSON than the type takes, or a number outside its range. Nothing is rounded or cut.
    package func bytes(of type: DeltaValueType) throws(ClientFailure) -> [UInt8] {
        switch type {
        case .string:
            if case .text(let text) = self { return Array(text.utf8) }
            if case .base64(let bytes) = self, String(validating: bytes, as: UTF8.self) != nil { return bytes }
        case .bytes:
            if case .base64(let bytes) = self { return bytes }
        case .int, .int64: return try self.integer(of: type, as: Int64.self)
        case .int8: return try self.integer(of: type, as: Int8.self)
        case .int16: return try self.integer(of: type, as: Int16.self)
        case .int32: return try self.integer(of: type, as: Int32.self)
        case .uint8: return try self.integer(of: type, as: UInt8.self)
        case .uint16: return try self.integer(of: type, as: UInt16.self)
        case .uint32: return try self.integer(of: type, as: UInt32.self)
        case .uint64: return try self.integer(of: type, as: UInt64.self)
        case .float64:
            if let value = self.double { return value.deltaBytes() }
        case .bool:
            if case .bool(let value) = self { return value.deltaBytes() }
        default:
            throw ClientFailure(.badRequest, "there is no value type \(type)")
        }
        throw ClientFailure(.wrongType, "the value is not of type \(type)")
    }

    private func integer<Number: FixedWidthInteger>(of type: DeltaValueType, as number: Number.Type) throws(ClientFailure) -> [UInt8] {
        let value: Number?
        switch self {
        case .signed(let signed): value = Number(exactly: signed)
        case .unsigned(let unsigned): value = Number(exactly: unsigned)
        case .number(let number): value = Number(exactly: number)
        default: throw ClientFailure(.wrongType, "the value is not of type \(type)")
        }
        guard let value else {
            throw ClientFailure(.wrongType, "the value is not an integer from \(Number.min) to \(Number.max), the range of \(type)")
        }
        return value.bigEndianBytes
    }

    private var double: Double? {
        switch self {
        case .number(let value): return value
        case .signed(let value): return Double(exactly: value)
        case .unsigned(let value): return Double(exactly: value)
        case .text(let text): return ClientValue.nonFinite.first { $0.name == text }?.value
        case .base64, .bool: return nil
        }
    }
}
