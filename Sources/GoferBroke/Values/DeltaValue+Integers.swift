// SPDX-License-Identifier: Apache-2.0
// Whole numbers as values of deltas: big-endian, as many bytes as the wire type has.

extension Int: DeltaValue {
    /// A signed number; 64 bits on the wire.
    public static var deltaValueType: DeltaValueType { .int }

    /// Eight bytes, big-endian, on every machine.
    public func deltaBytes() -> [UInt8] {
        Int64(self).bigEndianBytes
    }

    /// Nil for anything but eight bytes, or a number that this machine's `Int` can't hold.
    public init?(deltaBytes: [UInt8]) {
        guard let value = Int64(bigEndianBytes: deltaBytes) else { return nil }
        self.init(exactly: value)
    }
}

extension Int8: DeltaValue {
    /// A signed number of 8 bits.
    public static var deltaValueType: DeltaValueType { .int8 }

    /// Big-endian.
    public func deltaBytes() -> [UInt8] {
        self.bigEndianBytes
    }

    /// Nil where the number of bytes is not that of the type.
    public init?(deltaBytes: [UInt8]) {
        self.init(bigEndianBytes: deltaBytes)
    }
}

extension Int16: DeltaValue {
    /// A signed number of 16 bits.
    public static var deltaValueType: DeltaValueType { .int16 }

    /// Big-endian.
    public func deltaBytes() -> [UInt8] {
        self.bigEndianBytes
    }

    /// Nil where the number of bytes is not that of the type.
    public init?(deltaBytes: [UInt8]) {
        self.init(bigEndianBytes: deltaBytes)
    }
}

extension Int32: DeltaValue {
    /// A signed number of 32 bits.
    public static var deltaValueType: DeltaValueType { .int32 }

    /// Big-endian.
    public func deltaBytes() -> [UInt8] {
        self.bigEndianBytes
    }

    /// Nil where the number of bytes is not that of the type.
    public init?(deltaBytes: [UInt8]) {
        self.init(bigEndianBytes: deltaBytes)
    }
}

extension Int64: DeltaValue {
    /// A signed number of 64 bits.
    public static var deltaValueType: DeltaValueType { .int64 }

    /// Big-endian.
    public func deltaBytes() -> [UInt8] {
        self.bigEndianBytes
    }

    /// Nil where the number of bytes is not that of the type.
    public init?(deltaBytes: [UInt8]) {
        self.init(bigEndianBytes: deltaBytes)
    }
}

extension UInt8: DeltaValue {
    /// An unsigned number of 8 bits.
    public static var deltaValueType: DeltaValueType { .uint8 }

    /// Big-endian.
    public func deltaBytes() -> [UInt8] {
        self.bigEndianBytes
    }

    /// Nil where the number of bytes is not that of the type.
    public init?(deltaBytes: [UInt8]) {
        self.init(bigEndianBytes: deltaBytes)
    }
}

extension UInt16: DeltaValue {
    /// An unsigned number of 16 bits.
    public static var deltaValueType: DeltaValueType { .uint16 }

    /// Big-endian.
    public func deltaBytes() -> [UInt8] {
        self.bigEndianBytes
    }

    /// Nil where the number of bytes is not that of the type.
    public init?(deltaBytes: [UInt8]) {
        self.init(bigEndianBytes: deltaBytes)
    }
}

extension UInt32: DeltaValue {
    /// An unsigned number of 32 bits.
    public static var deltaValueType: DeltaValueType { .uint32 }

    /// Big-endian.
    public func deltaBytes() -> [UInt8] {
        self.bigEndianBytes
    }

    /// Nil where the number of bytes is not that of the type.
    public init?(deltaBytes: [UInt8]) {
        self.init(bigEndianBytes: deltaBytes)
    }
}

extension UInt64: DeltaValue {
    /// An unsigned number of 64 bits.
    public static var deltaValueType: DeltaValueType { .uint64 }

    /// Big-endian.
    public func deltaBytes() -> [UInt8] {
        self.bigEndianBytes
    }

    /// Nil where the number of bytes is not that of the type.
    public init?(deltaBytes: [UInt8]) {
        self.init(bigEndianBytes: deltaBytes)
    }
}

extension UInt: DeltaValue {
    /// An unsigned number; `uint64` on the wire.
    public static var deltaValueType: DeltaValueType { .uint64 }

    /// Eight bytes, big-endian, on every machine.
    public func deltaBytes() -> [UInt8] {
        UInt64(self).bigEndianBytes
    }

    /// Nil for anything but eight bytes, or a number that this machine's `UInt` can't hold.
    public init?(deltaBytes: [UInt8]) {
        guard let value = UInt64(bigEndianBytes: deltaBytes) else { return nil }
        self.init(exactly: value)
    }
}
