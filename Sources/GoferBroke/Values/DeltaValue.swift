// SPDX-License-Identifier: Apache-2.0
// What can be the value of a delta: a wire type, and bytes both ways.

/// A type whose values can be deltas.
///
/// The standard types conform: `String`, `[UInt8]`, `Int`, `Int8` to `Int64`, `UInt`, `UInt8` to `UInt64`, `Double`, `Bool`.
/// An enumeration with raw values of such a type only has to say so:
///
///     enum Mode: String, DeltaValue { case open, closed }
///
/// A `Codable` type conforms to ``CodableDeltaValue`` and travels as JSON. Anything else states a wire type and how its bytes
/// are made and read; the bytes must be what the wire type allows (see ``DeltaValueType``).
public protocol DeltaValue: Sendable {
    /// The type on the wire.
    static var deltaValueType: DeltaValueType { get }
    /// The value as bytes of that type.
    func deltaBytes() throws(GoferBrokeError) -> [UInt8]
    /// Reads bytes of that type, which come from another node: any bytes must be safe. Nil if they are no value.
    init?(deltaBytes: [UInt8])
}

extension DeltaValue where Self: RawRepresentable, RawValue: DeltaValue {
    /// The wire type of the raw value.
    public static var deltaValueType: DeltaValueType { RawValue.deltaValueType }

    /// The bytes of the raw value.
    public func deltaBytes() throws(GoferBrokeError) -> [UInt8] {
        try self.rawValue.deltaBytes()
    }

    /// Reads a raw value; nil where no value has it.
    public init?(deltaBytes: [UInt8]) {
        guard let rawValue = RawValue(deltaBytes: deltaBytes) else { return nil }
        self.init(rawValue: rawValue)
    }
}

extension String: DeltaValue {
    /// Text.
    public static var deltaValueType: DeltaValueType { .string }

    /// UTF-8.
    public func deltaBytes() -> [UInt8] {
        Array(self.utf8)
    }

    /// Nil if the bytes are not UTF-8.
    public init?(deltaBytes: [UInt8]) {
        self.init(validating: deltaBytes, as: UTF8.self)
    }
}

extension Array: DeltaValue where Element == UInt8 {
    /// Bytes.
    public static var deltaValueType: DeltaValueType { .bytes }

    /// The bytes themselves.
    public func deltaBytes() -> [UInt8] {
        self
    }

    /// The bytes themselves.
    public init?(deltaBytes: [UInt8]) {
        self = deltaBytes
    }
}

extension Bool: DeltaValue {
    /// A truth value.
    public static var deltaValueType: DeltaValueType { .bool }

    /// One byte, 0 or 1.
    public func deltaBytes() -> [UInt8] {
        [self ? 1 : 0]
    }

    /// Nil for anything but one byte that is 0 or 1.
    public init?(deltaBytes: [UInt8]) {
        guard deltaBytes.count == 1, deltaBytes[0] <= 1 else { return nil }
        self = deltaBytes[0] == 1
    }
}

extension Double: DeltaValue {
    /// IEEE 754 binary64.
    public static var deltaValueType: DeltaValueType { .float64 }

    /// Eight bytes, big-endian; every bit pattern survives.
    public func deltaBytes() -> [UInt8] {
        self.bitPattern.bigEndianBytes
    }

    /// Nil for anything but eight bytes.
    public init?(deltaBytes: [UInt8]) {
        guard let bits = UInt64(bigEndianBytes: deltaBytes) else { return nil }
        self.init(bitPattern: bits)
    }
}

extension FixedWidthInteger {
    /// As many bytes as the type has, the most significant first.
    var bigEndianBytes: [UInt8] {
        withUnsafeBytes(of: self.bigEndian) { Array($0) }
    }

    /// Nil where the number of bytes is not that of the type.
    init?(bigEndianBytes bytes: [UInt8]) {
        guard bytes.count == Self.bitWidth / 8 else { return nil }
        var value: Self = 0
        for byte in bytes {
            value = (value &<< 8) | Self(truncatingIfNeeded: byte)
        }
        self = value
    }
}
