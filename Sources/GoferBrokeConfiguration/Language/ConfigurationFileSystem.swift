// SPDX-License-Identifier: Apache-2.0
// How the parser reads files: a protocol, so that tests need no disk, and the local disk.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Why a file could not be read, in words that follow the file's name.
public struct ConfigurationFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// For instance `No such file or directory`.
    public var description: String

    /// Creates the error from a short reason.
    public init(_ description: String) {
        self.description = description
    }
}

/// Where configuration files come from.
public protocol ConfigurationFileSystem: Sendable {
    /// The contents of the file at `path`.
    ///
    /// Reads at most `limit + 1` bytes: one more than allowed tells the caller that the file is too large.
    func contents(of path: String, limit: Int) throws(ConfigurationFileError) -> [UInt8]
}

/// The files of this machine.
public struct LocalConfigurationFileSystem: ConfigurationFileSystem {
    /// Creates the file system.
    public init() {}

    /// Reads the file, never more than one byte over the limit, whatever its size is said to be.
    public func contents(of path: String, limit: Int) throws(ConfigurationFileError) -> [UInt8] {
        // C would stop at the NUL and open another file than the one named.
        guard !path.isEmpty, !path.utf8.contains(0) else { throw ConfigurationFileError("not a file name") }
        guard let file = fopen(path, "rb") else { throw ConfigurationFileError(String(cString: strerror(errno))) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while bytes.count <= limit {
            let wanted = min(chunk.count, limit + 1 - bytes.count)
            let count = fread(&chunk, 1, wanted, file)
            if count == 0 {
                if ferror(file) != 0 { throw ConfigurationFileError(String(cString: strerror(errno))) }
                break
            }
            bytes.append(contentsOf: chunk[0..<count])
        }
        return bytes
    }
}

/// A file system without files: every include is refused.
public struct NoConfigurationFiles: ConfigurationFileSystem {
    /// Creates the file system.
    public init() {}

    /// Always fails.
    public func contents(of path: String, limit: Int) throws(ConfigurationFileError) -> [UInt8] {
        throw ConfigurationFileError("there are no files here")
    }
}
