// SPDX-License-Identifier: Apache-2.0
// Where in a configuration file something stands.

/// A place in a configuration file: what an error names and what a tree node remembers.
public struct SourcePosition: Sendable, Hashable, CustomStringConvertible {
    /// The file as the user named it, or a made-up name in angle brackets for text that is not a file.
    public var file: String
    /// The line, counted from 1.
    public var line: Int
    /// The column, counted from 1 in Unicode scalars.
    public var column: Int

    /// Creates a position.
    public init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    /// `file:line:column`.
    public var description: String { "\(file):\(line):\(column)" }
}
