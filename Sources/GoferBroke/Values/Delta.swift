// SPDX-License-Identifier: Apache-2.0
// One key-value of a participant, as it stands in the cluster map.

/// A stream of versions of one participant. What comes first is told first.
public enum DeltaLane: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// Liveness: addresses, accusations, leaves.
    case membership = 0
    /// Cluster configuration.
    case config = 1
    /// Facts about the participant's machine.
    case system = 2
    /// What applications set.
    case user = 3

    /// The word for it.
    public var description: String {
        switch self {
        case .membership: return "membership"
        case .config: return "config"
        case .system: return "system"
        case .user: return "user"
        }
    }
}

/// The type of a value, as on the wire. An open set: newer nodes may know more types.
public struct DeltaValueType: Sendable, Hashable, CustomStringConvertible {
    /// The number on the wire.
    public let rawValue: UInt8

    /// A type by its number on the wire.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// UTF-8 text.
    public static let string = Self(rawValue: 0)
    /// Any bytes.
    public static let bytes = Self(rawValue: 1)
    /// `Int`: 64 bits on the wire.
    public static let int = Self(rawValue: 2)
    /// `Int8`
    public static let int8 = Self(rawValue: 3)
    /// `Int64`
    public static let int64 = Self(rawValue: 4)
    /// `Int16`
    public static let int16 = Self(rawValue: 5)
    /// `Int32`
    public static let int32 = Self(rawValue: 6)
    /// `UInt8`
    public static let uint8 = Self(rawValue: 7)
    /// `UInt16`
    public static let uint16 = Self(rawValue: 8)
    /// `UInt32`
    public static let uint32 = Self(rawValue: 9)
    /// `UInt64` and `UInt`
    public static let uint64 = Self(rawValue: 10)
    /// `Double`
    public static let float64 = Self(rawValue: 11)
    /// `Bool`: one byte, 0 or 1.
    public static let bool = Self(rawValue: 12)

    /// The 13 types, in the order of their numbers.
    public static let all: [DeltaValueType] = (0..<13).map { DeltaValueType(rawValue: $0) }

    /// The name of the type: `string`, `bytes`, `int`, …
    public var description: String {
        let names = [
            "string", "bytes", "int", "int8", "int64", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "float64", "bool",
        ]
        return Int(self.rawValue) < names.count ? names[Int(self.rawValue)] : "type-\(self.rawValue)"
    }

    /// The type with that name; nil if there is none.
    public init?(name: String) {
        guard let type = DeltaValueType.all.first(where: { $0.description == name }) else { return nil }
        self = type
    }
}

/// One key-value of a participant. Only the participant itself writes it.
public struct Delta: Sendable, Hashable {
    /// Whose it is.
    public var participant: String
    /// The life of the participant that wrote it.
    public var generation: UInt64
    /// The stream it belongs to.
    public var lane: DeltaLane
    /// The key group.
    public var group: DeltaLabel
    /// The key.
    public var key: DeltaLabel
    /// Its place among the changes of that participant and lane; 0 while an own change waits for its version.
    public var version: UInt64
    /// What the bytes are.
    public var type: DeltaValueType
    /// The value, as on the wire: numbers big-endian, text UTF-8.
    public var bytes: [UInt8]
    /// How long it lives after its owner set it; nil if it stays.
    public var timeToLive: Duration?

    /// Makes a delta.
    public init(
        participant: String,
        generation: UInt64,
        lane: DeltaLane = .user,
        group: DeltaLabel,
        key: DeltaLabel,
        version: UInt64,
        type: DeltaValueType,
        bytes: [UInt8],
        timeToLive: Duration? = nil
    ) {
        self.participant = participant
        self.generation = generation
        self.lane = lane
        self.group = group
        self.key = key
        self.version = version
        self.type = type
        self.bytes = bytes
        self.timeToLive = timeToLive
    }

    /// The value as a Swift value; nil if it is of another type, or the bytes mean nothing to that type.
    public func value<Value: DeltaValue>(as type: Value.Type = Value.self) -> Value? {
        guard self.type == Value.deltaValueType else { return nil }
        return Value(deltaBytes: self.bytes)
    }
}

/// A value of a typed key, and whose it is.
public struct ParticipantValue<Value: DeltaValue>: Sendable {
    /// Whose it is.
    public var participant: String
    /// The life of the participant that wrote it.
    public var generation: UInt64
    /// Its place among the changes of that participant; 0 while an own change waits for its version.
    public var version: UInt64
    /// The value.
    public var value: Value
}

extension ParticipantValue: Equatable where Value: Equatable {}
