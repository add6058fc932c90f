// SPDX-License-Identifier: Apache-2.0
// A key group or a key: bytes, usually text.

/// A key group or a key: any bytes, usually text.
///
/// Two labels are equal if their bytes are; text that only looks the same is different. A group has 1 to 255 bytes, a key 0
/// to 1,024: that is checked where it is used.
public struct DeltaLabel: Sendable, Hashable, Comparable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The bytes.
    public let bytes: [UInt8]

    /// The UTF-8 of a text.
    public init(_ text: String) {
        self.bytes = Array(text.utf8)
    }

    /// Any bytes.
    public init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The UTF-8 of a literal.
    public init(stringLiteral value: String) {
        self.init(value)
    }

    /// The label as text; nil where it is not UTF-8.
    public var string: String? {
        String(validating: self.bytes, as: UTF8.self)
    }

    /// Order of bytes.
    public static func < (left: DeltaLabel, right: DeltaLabel) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    /// The label for a person: its text, or its bytes in hexadecimal.
    public var description: String {
        if let string { return string }
        return "0x" + self.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
