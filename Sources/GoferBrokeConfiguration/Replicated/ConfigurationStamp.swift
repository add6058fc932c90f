// SPDX-License-Identifier: Apache-2.0
// Who wrote a cluster key and when, in an order that all nodes share; and the bytes that carry it.

/// The order of changes to cluster keys: the greatest (stamp, writer name) wins on every node.
///
/// Names compare by their bytes. Swift's own order of strings takes different bytes for equal where they show the same
/// characters, and the C core and other languages would not agree with it.
public struct ConfigurationStamp: Sendable, Hashable, Comparable {
    /// 0 for values from files, else 1 + the greatest stamp that the writer had seen for any key.
    public var number: UInt64
    /// The name of the node that made the change.
    public var writer: String

    /// The greatest stamp that is accepted: a change must always be able to go above what is known.
    public static let numberMax = UInt64(Int64.max)

    /// Creates a stamp.
    public init(number: UInt64, writer: String) {
        self.number = number
        self.writer = writer
    }

    /// Whether one was overtaken by the other.
    public static func < (a: ConfigurationStamp, b: ConfigurationStamp) -> Bool {
        if a.number != b.number { return a.number < b.number }
        return a.writer.isLessByBytes(than: b.writer)
    }

    /// Whether both are the same change, by bytes.
    public static func == (a: ConfigurationStamp, b: ConfigurationStamp) -> Bool {
        a.number == b.number && a.writer.hasSameBytes(as: b.writer)
    }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(number)
        for byte in writer.utf8 {
            hasher.combine(byte)
        }
    }
}

/// The value of a cluster key with its stamp: what a node publishes in its config lane under the key's path.
public struct StampedValue: Sendable, Hashable {
    /// Which change this is. A republished value keeps the stamp and the writer of the change.
    public var stamp: ConfigurationStamp
    /// The value as canonical text.
    public var text: String

    /// Creates a stamped value.
    public init(stamp: ConfigurationStamp, text: String) {
        self.stamp = stamp
        self.text = text
    }

    /// Whether this wins over another value of the same key. Texts decide only if a writer used one stamp twice, which a node
    /// can do that lost its memory in a partition: all nodes still agree.
    func wins(over other: StampedValue) -> Bool {
        #if GB_PLANTED_BUGS
            if PlantedBug.isStampIgnored { return true }
        #endif
        if stamp != other.stamp { return stamp > other.stamp }
        return other.text.isLessByBytes(than: text)
    }

    // Layout: u8 form (1), u64 stamp big endian, u8 writer length, writer, text to the end.
    private static let form: UInt8 = 1
    private static let headerSize = 10

    /// The most bytes an encoded value has.
    public static let encodedSizeMax = headerSize + 255 + ConfigurationLimits.standard.stringSize

    /// The bytes of a delta in the config lane.
    ///
    /// - Throws: When writer or text exceed what ``init(decoding:)`` accepts.
    public func encoded() throws(ConfigurationError) -> [UInt8] {
        try check()
        var bytes = [StampedValue.form]
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: stamp.number >> UInt64(shift)))
        }
        bytes.append(UInt8(stamp.writer.utf8.count))
        bytes.append(contentsOf: stamp.writer.utf8)
        bytes.append(contentsOf: text.utf8)
        return bytes
    }

    /// Reads the bytes of a delta in the config lane. Any bytes are safe.
    public init(decoding bytes: some Sequence<UInt8>) throws(ConfigurationError) {
        let bytes = Array(bytes)
        guard bytes.count >= StampedValue.headerSize, bytes.count <= StampedValue.encodedSizeMax else {
            throw StampedValue.malformed(
                expected: "\(StampedValue.headerSize) to \(StampedValue.encodedSizeMax) bytes",
                found: "\(bytes.count)"
            )
        }
        guard bytes[0] == StampedValue.form else {
            throw StampedValue.malformed(expected: "form \(StampedValue.form)", found: "form \(bytes[0])")
        }
        let number = bytes[1..<9].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let writerEnd = StampedValue.headerSize + Int(bytes[9])
        guard writerEnd <= bytes.count else {
            throw StampedValue.malformed(expected: "a writer of \(bytes[9]) bytes", found: "\(bytes.count - StampedValue.headerSize) bytes")
        }
        guard
            let writer = String(validating: bytes[StampedValue.headerSize..<writerEnd], as: UTF8.self),
            let text = String(validating: bytes[writerEnd...], as: UTF8.self)
        else {
            throw StampedValue.malformed(expected: "UTF-8 text", found: "bytes that are not UTF-8")
        }
        self.init(stamp: ConfigurationStamp(number: number, writer: writer), text: text)
        try check()
    }

    private func check() throws(ConfigurationError) {
        guard stamp.number <= ConfigurationStamp.numberMax else {
            throw StampedValue.malformed(expected: "a stamp up to \(ConfigurationStamp.numberMax)", found: "\(stamp.number)")
        }
        guard (1...255).contains(stamp.writer.utf8.count), !stamp.writer.hasControlCharacters else {
            throw StampedValue.malformed(expected: "a writer's name of 1 to 255 bytes", found: stamp.writer.quotedForError)
        }
        guard text.utf8.count <= ConfigurationLimits.standard.stringSize else {
            throw StampedValue.malformed(
                expected: "a value of at most \(ConfigurationLimits.standard.stringSize) bytes",
                found: "\(text.utf8.count)"
            )
        }
    }

    private static func malformed(expected: String, found: String) -> ConfigurationError {
        ConfigurationError(.encoding, expected: expected, found: found).from(source: "configuration entry")
    }

    /// Whether both are the same change with the same text, by bytes.
    public static func == (a: StampedValue, b: StampedValue) -> Bool {
        a.stamp == b.stamp && a.text.hasSameBytes(as: b.text)
    }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(stamp)
    }
}

extension String {
    func isLessByBytes(than other: String) -> Bool {
        utf8.lexicographicallyPrecedes(other.utf8)
    }

    func hasSameBytes(as other: String) -> Bool {
        utf8.elementsEqual(other.utf8)
    }
}
