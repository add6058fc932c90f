// SPDX-License-Identifier: Apache-2.0
// What is going to happen, in order of time; at the same time in the order in which it was decided.

internal import HeapModule

/// Something that is going to happen.
struct SimulatedEvent: Comparable {
    enum Kind: UInt8 {
        /// The engine of `node` asked for a tick; stale unless it is its earliest.
        case timer
        /// What waits for a node that was frozen or busy is looked at.
        case work
        /// A connection attempt is made (again).
        case synAttempt
        /// A connection attempt arrives at the acceptor's host.
        case synArrival
        /// The dialler hears that it is connected, or refused.
        case synAnswer
        case dialTimeout
        /// The next piece in order reaches the other end of a stream.
        case delivery
        /// Bytes of a stream have left the sender.
        case departure
        /// Pieces of a stream over a path that loses: data, acknowledgement, the sender's timer, a reset.
        case segment
        case acknowledgement
        case retransmission
        case reset
        /// Number `subject` of the plan.
        case plan
    }

    var time: UInt64
    var number: UInt64
    /// Connection, node, or step of the plan.
    var subject: Int32
    var payload: Int32 = -1
    /// Guards against events for what is over: life of a node, use of a connection, token of a timer.
    var guardNumber: UInt32
    var detail: UInt32 = 0
    var kind: Kind
    /// The end of the connection that it is for.
    var side: UInt8 = 0

    static func < (left: Self, right: Self) -> Bool {
        left.time != right.time ? left.time < right.time : left.number < right.number
    }

    static func == (left: Self, right: Self) -> Bool {
        left.number == right.number
    }
}

/// The events to come.
struct EventQueue {
    private var heap = Heap<SimulatedEvent>()
    private var lastNumber: UInt64 = 0

    var nextTime: UInt64? {
        self.heap.min?.time
    }

    var count: Int {
        self.heap.count
    }

    mutating func push(_ event: SimulatedEvent) {
        self.lastNumber += 1
        var event = event
        event.number = self.lastNumber
        self.heap.insert(event)
    }

    mutating func popFirst() -> SimulatedEvent? {
        self.heap.popMin()
    }
}
