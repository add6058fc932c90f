// SPDX-License-Identifier: Apache-2.0
// Events that wait for one consumer.

/// Events that wait for one consumer: at most ``limit``. One more, and all are dropped: the consumer is told how many, and reads
/// the members anew.
struct EventBuffer: MailboxContent {
    /// A consumer that is this far behind is better served by a snapshot: at about 100 bytes each, 100 KB a consumer.
    static let limit = 1_024

    enum Step: Sendable {
        case event(GossipEvent)
        /// The consumer reads the members and gets them as a snapshot.
        case snapshot
    }

    private var events: [GossipEvent] = []
    private var head = 0
    private var droppedCount = 0
    private var isSnapshotDue = true

    var count: Int { self.events.count - self.head }

    var isEmpty: Bool {
        self.droppedCount == 0 && !self.isSnapshotDue && self.count == 0
    }

    mutating func append(_ event: GossipEvent) {
        if self.count >= Self.limit {
            self.lag(1)
        } else {
            self.events.append(event)
        }
    }

    /// So many events were lost on their way here; those that wait are too old then.
    mutating func lag(_ count: Int) {
        self.droppedCount += count + self.count
        self.events.removeAll(keepingCapacity: true)
        self.head = 0
        self.isSnapshotDue = true
    }

    mutating func take() -> Step? {
        if self.droppedCount > 0 {
            defer { self.droppedCount = 0 }
            return .event(.lagged(self.droppedCount))
        }
        if self.isSnapshotDue {
            self.isSnapshotDue = false
            return .snapshot
        }
        guard self.head < self.events.count else { return nil }
        let event = self.events[self.head]
        self.head += 1
        if self.head == self.events.count {
            self.events.removeAll(keepingCapacity: true)
            self.head = 0
        } else if self.head >= 256 {
            self.events.removeFirst(self.head)
            self.head = 0
        }
        return .event(event)
    }
}
