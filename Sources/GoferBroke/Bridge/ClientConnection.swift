// SPDX-License-Identifier: Apache-2.0
// A blocking connection to the client door of a node: what the executable talks through.

internal import CGoferBroke

/// A blocking connection to the client door of a node.
///
/// Owns a `gb_client`, which is one thread's at a time: the class is not `Sendable`.
package final class ClientConnection {
    /// A frame of the node that belongs to a request.
    package struct Answer: Sendable, Hashable {
        /// The request.
        package var requestID: UInt32
        /// The JSON.
        package var payload: [UInt8]
        /// Whether nothing more follows for that request.
        package var isLast: Bool
    }

    /// The door as it was named.
    package let door: String
    /// The cluster's name, as the node said it.
    package let cluster: String
    /// The node's name, as it said it.
    package let node: String
    private let client: OpaquePointer
    private var lastRequestID: UInt32 = 0

    /// Connects and says who asks.
    ///
    /// - Parameters:
    ///   - door: `HOST:PORT`, `[IPv6]:PORT`, or the path of a socket: anything with a `/`.
    ///   - timeout: How long that may take.
    package init(door: String, timeout: Duration) throws(GoferBrokeError) {
        guard !door.utf8.contains(0) else {
            throw GoferBrokeError(code: .invalidArgument, operation: "connect", reason: "a door has no NUL byte")
        }
        var client: OpaquePointer?
        var info = gb_err_info()
        let err = door.withCString { gb_client_open($0, timeout.clampedMicroseconds, &client, &info) }
        do {
            try GoferBrokeError.check(err, info, "")
        } catch {
            var named = error
            // The sentence of the core names the door where it got that far.
            if !named.reason.contains(door) { named.operation = "connect to \(door)" }
            throw named
        }
        guard let client else { throw GoferBrokeError(GB_EBROKEN, operation: "connect to \(door)") }
        self.client = client
        self.door = door
        self.cluster = gb_client_cluster(client).text
        self.node = gb_client_node(client).text
    }

    deinit {
        gb_client_close(self.client)
    }

    /// Sends a request and answers its id.
    package func send(_ payload: [UInt8], timeout: Duration) throws(GoferBrokeError) -> UInt32 {
        // 0 names no request.
        self.lastRequestID = self.lastRequestID == .max ? 1 : self.lastRequestID + 1
        try self.send(type: Int(GB_FRAME_CLIENT_REQUEST), requestID: self.lastRequestID, payload: payload, timeout: timeout)
        return self.lastRequestID
    }

    /// Says that no more of a stream is wanted; its last answer still comes.
    package func cancel(_ requestID: UInt32, timeout: Duration) throws(GoferBrokeError) {
        try self.send(type: Int(GB_FRAME_CLIENT_CANCEL), requestID: requestID, payload: Array("{}".utf8), timeout: timeout)
    }

    private func send(type: Int, requestID: UInt32, payload: [UInt8], timeout: Duration) throws(GoferBrokeError) {
        let client = self.client
        try withSlice(payload) { payload throws(GoferBrokeError) in
            let err = gb_client_send(client, UInt8(truncatingIfNeeded: type), requestID, payload, timeout.clampedMicroseconds)
            try GoferBrokeError.check(err, "ask \(self.door)")
        }
    }

    /// The next answer; nil where none came in time. `timeout` nil waits for ever.
    package func receive(timeout: Duration?) throws(GoferBrokeError) -> Answer? {
        let clock = ContinuousClock()
        let deadline = timeout.map { clock.now.advanced(by: $0) }
        while true {
            let left = deadline.map { max(.zero, clock.now.duration(to: $0)) }
            var frame = gb_frame()
            let err = gb_client_receive(self.client, left?.clampedMicroseconds ?? .max, &frame)
            if err == GB_ETIMEDOUT {
                guard let deadline, clock.now >= deadline else { continue }
                return nil
            }
            try GoferBrokeError.check(err, "hear from \(self.door)")
            switch Int(frame.type) {
            case Int(GB_FRAME_CLIENT_RESPONSE):
                return Answer(requestID: frame.request_id, payload: frame.payload.bytes, isLast: true)
            case Int(GB_FRAME_CLIENT_ITEM):
                return Answer(requestID: frame.request_id, payload: frame.payload.bytes, isLast: false)
            default:
                // Frames of a later protocol that this client did not ask for.
                continue
            }
        }
    }
}

/// The C core that is running.
package enum CoreVersion {
    /// `MAJOR.MINOR.PATCH`
    package static var text: String { String(cString: gb_version_string()) }
}
