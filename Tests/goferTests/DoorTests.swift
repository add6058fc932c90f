// SPDX-License-Identifier: Apache-2.0
// Socket folders, socket names, and which node a command talks to.

import GoferBroke
import Testing

@testable import gofer

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite("Socket folder")
struct SocketFolderTests {
    @Test func folderFollowsRuntimeDirectoryThenUser() {
        #expect(SocketFolder(environment: ["XDG_RUNTIME_DIR": "/run/user/7"], userID: 7).path == "/run/user/7/goferbroke")
        #expect(SocketFolder(environment: ["XDG_RUNTIME_DIR": "/run/user/7/"], userID: 7).path == "/run/user/7/goferbroke")
        #expect(SocketFolder(environment: [:], userID: 0).path == "/run/goferbroke")
        #expect(SocketFolder(environment: [:], userID: 7).path == "/tmp/goferbroke-7")
        #expect(SocketFolder(environment: ["XDG_RUNTIME_DIR": "relative"], userID: 7).path == "/tmp/goferbroke-7")
        #expect(SocketFolder(environment: ["XDG_RUNTIME_DIR": ""], userID: 0).path == "/run/goferbroke")
    }

    @Test func nameIsPlainUpTo107BytesThenHashed() throws {
        let folder = SocketFolder(path: "/run/goferbroke", userID: 0)
        #expect(try folder.socketPath(cluster: "shop", node: "web-1") == "/run/goferbroke/shop.web-1.sock")
        // "/run/goferbroke/" + "c." + name + ".sock" is exactly 107 bytes.
        let longest = String(repeating: "n", count: 107 - 16 - 2 - 5)
        #expect(try folder.socketPath(cluster: "c", node: longest) == "/run/goferbroke/c.\(longest).sock")
        let hashed = try folder.socketPath(cluster: "c", node: longest + "n")
        #expect(hashed.utf8.count == "/run/goferbroke/".utf8.count + 32 + ".sock".utf8.count)
        #expect(try folder.socketPath(cluster: "c", node: longest + "m") != hashed)
    }

    @Test func nameWithSlashStaysInTheFolder() throws {
        let path = try SocketFolder(path: "/x", userID: 0).socketPath(cluster: "../..", node: "a/b")
        #expect(path.hasPrefix("/x/"))
        #expect(path.dropFirst(3).contains("/") == false)
    }

    @Test func folderThatLeavesNoRoomIsRefused() {
        let folder = SocketFolder(path: "/" + String(repeating: "d", count: 100), userID: 0)
        let failure = #expect(throws: CommandFailure.self) { try folder.socketPath(cluster: "c", node: "n") }
        #expect(failure?.failure.message.contains("107 bytes") == true)
    }

    @Test func preparedFolderIsTheUsersAlone() throws {
        let parent = try TemporaryFolder()
        let folder = SocketFolder(path: "\(parent.path)/goferbroke")
        parent.expect(folder.path)
        #expect(folder.problem() == nil)
        try folder.prepare()
        try folder.prepare()
        var status = stat()
        #expect(lstat(folder.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        #expect(folder.problem() == nil)
    }

    @Test func folderOfOthersOrOpenToThemIsNotTrusted() throws {
        let parent = try TemporaryFolder()
        let open = SocketFolder(path: try parent.folder("open", mode: 0o755))
        #expect(open.problem()?.contains("0700") == true)
        #expect(throws: CommandFailure.self) { try open.prepare() }
        let foreign = SocketFolder(path: try parent.folder("foreign", mode: 0o700), userID: getuid() &+ 1)
        #expect(foreign.problem()?.contains("belongs to") == true)
        let file = SocketFolder(path: try parent.file("file", ""))
        #expect(file.problem() == "is not a folder")
    }

    @Test func onlySocketsAreListed() throws {
        let folder = try TemporaryFolder()
        let second = try folder.socket("c.b.sock")
        let first = try folder.socket("c.a.sock")
        _ = try folder.file("c.file.sock", "")
        _ = try folder.socket("other")
        #expect(SocketFolder(path: folder.path).sockets() == [first, second])
        #expect(SocketFolder(path: "/nonexistent/goferbroke").sockets().isEmpty)
    }
}

@Suite("Choice of a node")
struct DoorFinderTests {
    private struct Found: NodeConnection {
        var door: String
        var cluster = "shop"
        var node = "web"
    }

    /// A finder for which exactly these doors answer.
    private func finder(_ folder: String, answering: [String]) -> DoorFinder<Found> {
        DoorFinder(folder: SocketFolder(path: folder)) { (door: String) throws(GoferBrokeError) in
            guard answering.contains(door) else {
                throw GoferBrokeError(code: .connectionRefused, operation: "connect to \(door)", reason: "connection refused")
            }
            return Found(door: door)
        }
    }

    @Test func namedDoorIsTaken() throws {
        #expect(try self.finder("/nowhere", answering: ["localhost:9"]).find("localhost:9").door == "localhost:9")
        #expect(try self.finder("/nowhere", answering: ["./s"]).find("./s").door == "./s")
    }

    @Test func nameWithoutColonOrSlashIsUsage() {
        let failure = #expect(throws: CommandFailure.self) { try self.finder("/nowhere", answering: ["x"]).find("x") }
        #expect(failure?.status == .usage)
    }

    @Test func silentDoorIsNoNode() {
        let failure = #expect(throws: CommandFailure.self) { try self.finder("/nowhere", answering: []).find("localhost:9") }
        #expect(failure?.status == .noNode)
        #expect(failure?.failure.code == .noNode)
        #expect(failure?.failure.message == "no node answers: connect to localhost:9: connection refused")
    }

    @Test func onlyLiveSocketIsTakenAmongStaleOnes() throws {
        let folder = try TemporaryFolder()
        _ = try folder.socket("c.stale.sock")
        let live = try folder.socket("c.live.sock")
        #expect(try self.finder(folder.path, answering: [live]).find(nil).door == live)
    }

    @Test func severalLiveSocketsAreListed() throws {
        let folder = try TemporaryFolder()
        let first = try folder.socket("c.a.sock")
        let second = try folder.socket("c.b.sock")
        let failure = #expect(throws: CommandFailure.self) { try self.finder(folder.path, answering: [first, second]).find(nil) }
        #expect(failure?.status == .usage)
        #expect(failure?.failure.message.contains(first) == true)
        #expect(failure?.failure.message.contains(second) == true)
    }

    @Test func noSocketIsNoNode() throws {
        let folder = try TemporaryFolder()
        let failure = #expect(throws: CommandFailure.self) { try self.finder(folder.path, answering: []).find(nil) }
        #expect(failure?.status == .noNode)
        #expect(failure?.failure.message.contains(folder.path) == true)
    }

    @Test func untrustedFolderIsNotSearched() throws {
        let parent = try TemporaryFolder()
        let open = try parent.folder("open", mode: 0o777)
        let failure = #expect(throws: CommandFailure.self) { try self.finder(open, answering: []).find(nil) }
        #expect(failure?.status == .noNode)
        #expect(failure?.failure.message.contains("0700") == true)
    }
}
