// SPDX-License-Identifier: Apache-2.0
// What the client door is handed: requests of clients as plain values.

/// A request that came through a client door of the node.
package struct ClientRequest: Sendable {
    /// The client's connection.
    package let link: UInt64
    /// Chosen by the client; the answer carries it.
    package let requestID: UInt32
    /// Opaque to the core.
    package let payload: [UInt8]
}

/// What happens at a client door.
package enum ClientInput: Sendable {
    /// A client asks.
    case request(ClientRequest)
    /// A client wants no more of an answer that is a stream.
    case cancel(link: UInt64, requestID: UInt32)
    /// A client is gone; its streams end.
    case closed(link: UInt64)
}
