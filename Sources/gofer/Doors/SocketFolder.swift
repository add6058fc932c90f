// SPDX-License-Identifier: Apache-2.0
// The folder where nodes of a user put their client sockets, and the names in it.

internal import GoferBroke

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The folder where nodes of a user put their client sockets.
struct SocketFolder: Sendable, Equatable {
    /// The longest path of a socket: `sockaddr_un` has 108 bytes with the NUL.
    static let pathSizeMax = 107
    /// The most entries of the folder that are looked at.
    private static let entryCountMax = 1_024

    /// The folder's path, without a slash at the end.
    var path: String
    /// Whose nodes these are.
    var userID: UInt32

    /// `$XDG_RUNTIME_DIR/goferbroke`, else `/run/goferbroke` for root, else `/tmp/goferbroke-UID`.
    init(environment: [String: String] = Environment.all, userID: UInt32 = getuid()) {
        self.userID = userID
        let runtime = environment["XDG_RUNTIME_DIR"] ?? ""
        if runtime.hasPrefix("/") {
            self.path = (runtime.hasSuffix("/") ? String(runtime.dropLast()) : runtime) + "/goferbroke"
        } else {
            self.path = userID == 0 ? "/run/goferbroke" : "/tmp/goferbroke-\(userID)"
        }
    }

    /// A folder by its path.
    init(path: String, userID: UInt32 = getuid()) {
        self.path = path
        self.userID = userID
    }

    /// The path of a node's socket: `CLUSTER.NODE.sock`, or a hash of that where no file could be called so.
    func socketPath(cluster: String, node: String) throws(CommandFailure) -> String {
        let name = "\(cluster).\(node)"
        let plain = "\(self.path)/\(name).sock"
        if plain.utf8.count <= SocketFolder.pathSizeMax, !name.utf8.contains(UInt8(ascii: "/")) { return plain }
        let hashed = "\(self.path)/\(SocketFolder.hash(name)).sock"
        guard hashed.utf8.count <= SocketFolder.pathSizeMax else {
            throw CommandFailure(
                .failed,
                .failed,
                "the socket folder \(self.path.quoted) is too long: a socket's path has at most \(SocketFolder.pathSizeMax) bytes; "
                    + "give --client-socket"
            )
        }
        return hashed
    }

    /// Two FNV-1a hashes of 64 bits with different starts: names, not secrets.
    private static func hash(_ text: String) -> String {
        let starts: [UInt64] = [0xcbf2_9ce4_8422_2325, 0x8422_2325_cbf2_9ce4]
        return starts.map { start in
            let hash = text.utf8.reduce(start) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
            let digits = String(hash, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    // MARK: On disk

    /// Makes the folder where it is not there, and makes sure that nobody else can put sockets into it.
    func prepare() throws(CommandFailure) {
        if mkdir(self.path, 0o700) != 0, errno != EEXIST {
            let reason = String(cString: strerror(errno))
            throw CommandFailure(.failed, .failed, "cannot make the socket folder \(self.path.quoted): \(reason); give --client-socket")
        }
        if let problem = self.problem() {
            throw CommandFailure(.failed, .failed, "the socket folder \(self.path.quoted) \(problem)")
        }
    }

    /// Why the folder is not to be trusted; nil where it is, or is not there.
    func problem() -> String? {
        var status = stat()
        guard lstat(self.path, &status) == 0 else {
            return errno == ENOENT ? nil : "cannot be looked at: \(String(cString: strerror(errno)))"
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return "is not a folder" }
        guard status.st_uid == self.userID else { return "belongs to user \(status.st_uid), not to user \(self.userID)" }
        guard status.st_mode & 0o077 == 0 else { return "is open to other users; its mode must be 0700" }
        return nil
    }

    /// The sockets in the folder, by name; none where it is not there.
    func sockets() -> [String] {
        guard let directory = opendir(self.path) else { return [] }
        defer { closedir(directory) }
        var paths: [String] = []
        var count = 0
        while count < SocketFolder.entryCountMax, let entry = readdir(directory) {
            count += 1
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard name.hasSuffix(".sock") else { continue }
            var status = stat()
            guard lstat("\(self.path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { continue }
            paths.append("\(self.path)/\(name)")
        }
        return paths.sorted()
    }
}
