// SPDX-License-Identifier: Apache-2.0
// A folder of a test's own, with real sockets in it where wanted.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A folder that is removed with everything in it.
final class TemporaryFolder {
    let path: String
    private var files: [String] = []
    private var descriptors: [Int32] = []

    init() throws {
        var template = Array("/tmp/gofer-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TemporaryFolderError(step: "mkdtemp") }
        self.path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        self.descriptors.forEach { close($0) }
        self.files.reversed().forEach { remove($0) }
        rmdir(self.path)
    }

    /// A file with this text; answers its path.
    func file(_ name: String, _ text: String) throws -> String {
        let path = "\(self.path)/\(name)"
        guard let file = fopen(path, "w") else { throw TemporaryFolderError(step: "fopen") }
        fputs(text, file)
        fclose(file)
        self.files.append(path)
        return path
    }

    /// A folder inside, with this mode; answers its path.
    func folder(_ name: String, mode: UInt32) throws -> String {
        let path = "\(self.path)/\(name)"
        guard mkdir(path, mode_t(mode)) == 0, chmod(path, mode_t(mode)) == 0 else { throw TemporaryFolderError(step: "mkdir") }
        self.files.append(path)
        return path
    }

    /// Remembers a file that somebody else makes, so that it is removed.
    func expect(_ path: String) {
        self.files.append(path)
    }

    /// A Unix socket that is bound, as a node's is.
    func socket(_ name: String) throws -> String {
        let path = "\(self.path)/\(name)"
        #if canImport(Glibc)
            let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        #elseif canImport(Musl)
            let descriptor = Musl.socket(AF_UNIX, SOCK_STREAM, 0)
        #else
            let descriptor = Darwin.socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { throw TemporaryFolderError(step: "socket") }
        self.descriptors.append(descriptor)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard bound == 0 else { throw TemporaryFolderError(step: "bind") }
        self.files.append(path)
        return path
    }
}

struct TemporaryFolderError: Error {
    var step: String
}
