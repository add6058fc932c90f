// SPDX-License-Identifier: Apache-2.0
// A TCP connection: two ends, a stream of bytes in each direction.

internal import DequeModule
internal import GoferBrokeConfiguration

/// Bytes on their way, or the end of a stream.
struct StreamPiece {
    enum Kind: UInt8 {
        case bytes
        /// The sender has closed; nothing follows.
        case end
        /// The sender's process is gone with bytes unread.
        case abort
    }

    var kind: Kind
    /// Place in the pool of payloads; -1 for none.
    var payload: Int32 = -1
    var size: Int32 = 0
}

/// A piece that was sent over a path that loses, and is not acknowledged.
struct UnacknowledgedPiece {
    var piece: StreamPiece
    var sentAt: UInt64 = 0
    /// At least once; its departure was told.
    var wasSent = false
    /// Arrived, and told so, ahead of others.
    var isAcknowledged = false
    /// Arrived; what was delivered to the receiver is not delivered again.
    var hasArrived = false
}

/// The bytes that one end sends.
///
/// While the path loses nothing and nothing is outstanding, pieces just arrive, in order. Otherwise they are segments that
/// are lost, acknowledged and sent again, as TCP does it: a retransmission timer of 200 ms that doubles (RFC 6298 with
/// Linux's minimum) but for the first time, a window that grows by acknowledgements and falls to one by the timer, pieces sent again at once when three
/// later ones were acknowledged (RFC 6675).
struct SimulatedStream {
    static let retransmissionTime: UInt64 = 200_000
    static let retransmissionTimeMax: UInt64 = 120_000_000
    static let initialWindow = 10
    static let windowMax = 1_024

    /// No piece arrives before the one sent before it.
    var lastArrival: UInt64 = 0
    /// Pieces sent over a losing path or waiting for the window, the oldest first; the first has number `firstNumber`.
    var outstanding = Deque<UnacknowledgedPiece>()
    var firstNumber: UInt32 = 0
    /// So many of the outstanding are under way, or were acknowledged ahead of others; after the timer fired only the first.
    var sentCount = 0
    /// The next piece that the receiver takes.
    var expected: UInt32 = 0
    var window = SimulatedStream.initialWindow
    var windowCredit = 0
    var backoff: UInt64 = 0
    /// The last piece was sent again once before the timer doubles: a tail loss probe (RFC 8985, section 7).
    var hasProbed = false
    /// Token of the timer that counts.
    var timer: UInt32 = 0
    var isTimerSet = false
    /// Bytes that arrived at a host whose process does not read; the sender is held up beyond the receiver's buffer.
    var unreadBytes = 0
    /// Reported as sent once the receiver reads again.
    var heldDeparture = 0

    var isSlow: Bool {
        !self.outstanding.isEmpty
    }
}

struct ConnectionEnd {
    var node: Int32
    /// Which life of the node.
    var life: UInt32
    var link: UInt64 = 0
    /// The engine knows the link.
    var isOpen = false
    /// What this end sends.
    var stream = SimulatedStream()
    /// Nothing more is sent by this end.
    var hasEnded = false
}

/// One direction of one connection.
struct StreamName: Hashable {
    var connection: Int32
    var use: UInt32
    /// The end that sends.
    var side: UInt8
}

struct SimulatedConnection {
    /// 0: who dialled, 1: who accepted.
    var ends: [ConnectionEnd]
    /// Grows with each use of this place in the table: events of an earlier use are stale.
    var use: UInt32
    var isFree = false
    /// The dial was answered, one way or the other, or given up.
    var isAnswered = false
    var attempt: UInt32 = 0
    var dialDeadline: UInt64
    /// Where the dialler wanted to go; it may be that nobody is there.
    var target: Endpoint
}
