// SPDX-License-Identifier: Apache-2.0
// Every bound of the language, in one place.

/// The bounds of the configuration language. What exceeds one is refused with an error that names it.
public struct ConfigurationLimits: Sendable, Hashable {
    /// Largest single file in bytes. A cluster document with every key is under 4 KiB.
    public var documentSize = 1 << 20
    /// Largest sum of a file and all it includes, in bytes.
    public var totalSize = 4 << 20
    /// Deepest nesting of blocks and arrays; the parser recurses once per level.
    public var nestingDepth = 16
    /// Longest chain of includes.
    public var includeDepth = 8
    /// Most includes in all, so that files which include each other twice don't double at each level.
    public var includeCount = 64
    /// Longest string, bare word or environment value in bytes.
    public var stringSize = 4_096
    /// Longest key in bytes.
    public var keySize = 255
    /// Most keys and array elements in all.
    public var nodeCount = 65_536

    /// The bounds that hold unless said otherwise.
    public static let standard = ConfigurationLimits()

    /// The standard bounds.
    public init() {}
}
