// SPDX-License-Identifier: Apache-2.0
// Asking a node, and taking its answers apart.

internal import GoferBroke

/// A conversation with one node.
struct NodeSession {
    private let connection: ClientConnection
    private let timeout: Duration

    /// Connects to the node that is meant.
    init(door: String?, timeout: Duration, folder: SocketFolder = SocketFolder()) throws(CommandFailure) {
        let finder = DoorFinder(folder: folder) { (door: String) throws(GoferBrokeError) in
            try ClientConnection(door: door, timeout: timeout)
        }
        self.connection = try finder.find(door)
        self.timeout = timeout
    }

    /// Where the node was found.
    var door: String { self.connection.door }

    /// Asks and waits for the one answer.
    func ask<Answer: Decodable>(
        _ message: ClientRequestMessage,
        _ type: Answer.Type = Answer.self
    ) throws(CommandFailure) -> (answer: Answer, payload: [UInt8]) {
        let requestID = try self.send(message)
        while true {
            guard let frame = try self.receive(within: self.timeout) else {
                throw CommandFailure(.noNode, .noNode, "no answer from \(self.door) in \(self.timeout.wholeMilliseconds) ms")
            }
            guard frame.requestID == requestID, frame.isLast else { continue }
            return (try NodeSession.decode(frame.payload), frame.payload)
        }
    }

    /// Asks and hands over each element of the answer until the node ends it.
    func follow(_ message: ClientRequestMessage, _ body: ([UInt8]) throws(CommandFailure) -> Void) throws(CommandFailure) {
        let requestID = try self.send(message)
        while let frame = try self.receive(within: nil) {
            guard frame.requestID == requestID else { continue }
            guard frame.isLast else {
                try body(frame.payload)
                continue
            }
            let end: EndAnswer = try NodeSession.decode(frame.payload)
            throw CommandFailure(.failed, .closed, "the node ended the stream: \(end.reason.shown())")
        }
    }

    /// Waits until the node closes the connection; false where it does not in time.
    func waitForEnd(within limit: Duration) -> Bool {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: limit)
        while clock.now < deadline {
            do {
                guard try self.connection.receive(timeout: clock.now.duration(to: deadline)) != nil else { return false }
            } catch {
                return true
            }
        }
        return false
    }

    private func send(_ message: ClientRequestMessage) throws(CommandFailure) -> UInt32 {
        let payload: [UInt8]
        do {
            payload = try ClientJSON.encode(message)
        } catch {
            throw CommandFailure(error)
        }
        do {
            return try self.connection.send(payload, timeout: self.timeout)
        } catch {
            throw NodeSession.lost(error)
        }
    }

    private func receive(within limit: Duration?) throws(CommandFailure) -> ClientConnection.Answer? {
        do {
            return try self.connection.receive(timeout: limit)
        } catch {
            throw NodeSession.lost(error)
        }
    }

    private static func lost(_ error: GoferBrokeError) -> CommandFailure {
        guard error.code == .connectionLost || error.code == .timedOut || error.code == .closed else { return CommandFailure(error) }
        return CommandFailure(.noNode, .noNode, "the node is gone: \(error.description)")
    }

    private struct Refusal: Decodable {
        var failure: ClientFailure?

        private enum Keys: String, CodingKey {
            case error
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            self.failure = container.contains(.error) ? try ClientFailure(from: decoder) : nil
        }
    }

    /// The answer, or the failure that it tells of.
    static func decode<Answer: Decodable>(_ payload: [UInt8]) throws(CommandFailure) -> Answer {
        let failure: ClientFailure
        do {
            if let refusal = try ClientJSON.decode(Refusal.self, from: payload).failure {
                failure = refusal
            } else {
                return try ClientJSON.decode(Answer.self, from: payload)
            }
        } catch {
            failure = ClientFailure(.badAnswer, "the answer of the node can't be understood: \(error.message)")
        }
        throw CommandFailure(failure)
    }
}
