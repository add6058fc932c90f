// SPDX-License-Identifier: Apache-2.0
// Which node a command talks to.

internal import GoferBroke

/// An open conversation with a node.
protocol NodeConnection {
    /// The door as it was named.
    var door: String { get }
    /// The cluster's name.
    var cluster: String { get }
    /// The node's name.
    var node: String { get }
}

extension ClientConnection: NodeConnection {}

/// Which node a command talks to: the one that `--node` names, else the only one that answers in the socket folder.
struct DoorFinder<Connection: NodeConnection> {
    /// Where sockets are looked for.
    var folder: SocketFolder
    /// Connects to a door.
    var connect: (String) throws(GoferBrokeError) -> Connection

    /// Connects.
    func find(_ named: String?) throws(CommandFailure) -> Connection {
        guard let named else { return try self.onlyOne() }
        guard named.contains("/") || named.contains(":") else {
            throw .usage(
                "--node \(named.quoted) is not a door: HOST:PORT of a client port, or the path of a socket (with a /), is expected"
            )
        }
        do {
            return try self.connect(named)
        } catch {
            throw DoorFinder.unanswered(error)
        }
    }

    private func onlyOne() throws(CommandFailure) -> Connection {
        if let problem = self.folder.problem() {
            throw CommandFailure(.noNode, .noNode, "the socket folder \(self.folder.path.quoted) \(problem); name a door with --node")
        }
        var live: [Connection] = []
        var silent: [GoferBrokeError] = []
        for path in self.folder.sockets() {
            do throws(GoferBrokeError) {
                live.append(try self.connect(path))
            } catch {
                silent.append(error)
            }
        }
        if live.count == 1 { return live[0] }
        guard live.isEmpty else {
            let list = live.map { "\($0.door) (node \($0.node) of cluster \($0.cluster))" }.joined(separator: ", ")
            throw .usage("\(live.count) nodes answer: \(list); choose one with --node")
        }
        let tried = silent.isEmpty ? "there is no socket in \(self.folder.path)" : "nobody answers on the sockets in \(self.folder.path)"
        throw CommandFailure(.noNode, .noNode, "no node answers: \(tried); name a door with --node HOST:PORT or --node PATH")
    }

    private static func unanswered(_ error: GoferBrokeError) -> CommandFailure {
        if error.code == .invalidArgument { return .usage(error.description) }
        return CommandFailure(.noNode, .noNode, "no node answers: \(error.description)")
    }
}
