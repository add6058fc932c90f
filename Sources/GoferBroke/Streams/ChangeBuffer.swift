// SPDX-License-Identifier: Apache-2.0
// Changes of deltas that wait for one consumer: per (participant, key) the newest.

/// Which deltas a consumer wants.
struct ChangeFilter: Sendable, Hashable {
    var lane = DeltaLane.user
    /// Nil: all.
    var group: DeltaLabel?
    /// Nil: all of the group.
    var key: DeltaLabel?

    func matches(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel) -> Bool {
        guard lane == self.lane else { return false }
        if let wanted = self.group, wanted != group { return false }
        if let wanted = self.key, wanted != key { return false }
        return true
    }
}

/// A name told apart by its bytes: to `String` two spellings of one accented letter are equal, in the cluster they are two nodes.
struct NodeName: Sendable, Hashable {
    let text: String

    init(_ text: String) {
        self.text = text
    }

    static func == (left: NodeName, right: NodeName) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
    }

    func hash(into hasher: inout Hasher) {
        for byte in self.text.utf8 {
            hasher.combine(byte)
        }
        hasher.combine(0xff as UInt8)
    }
}

/// Changes that wait for one consumer, and what it was told before: both bounded by the keys that it asked for, at one entry for
/// each (participant, key). A newer change replaces one that waits.
///
/// What was told tells news from repetition: the listing at the start and the events of the same time overlap.
struct ChangeBuffer: MailboxContent {
    enum Step: Sendable {
        /// The consumer reads all values and hands them to ``merge(_:mark:)``.
        case list(mark: UInt64)
        case change(DeltaChange)
    }

    private struct Identity: Sendable, Hashable {
        var participant: NodeName
        var group: DeltaLabel
        var key: DeltaLabel
    }

    private struct Known: Sendable {
        var generation: UInt64
        /// 0: an own value that had no version yet; newer than anything that has one may follow.
        var version: UInt64
        /// When it came, in offers.
        var offer: UInt64
    }

    private var known: [Identity: Known] = [:]
    private var waiting: [Identity: DeltaChange] = [:]
    private var order: [Identity] = []
    private var head = 0
    private var isListingDue = true
    private var offers: UInt64 = 0

    /// Changes that wait.
    var count: Int { self.order.count - self.head }

    var isEmpty: Bool {
        !self.isListingDue && self.count == 0
    }

    /// Events were lost: all values have to be read again.
    mutating func relist() {
        self.isListingDue = true
    }

    mutating func take() -> Step? {
        if self.isListingDue {
            self.isListingDue = false
            return .list(mark: self.offers)
        }
        guard self.head < self.order.count else { return nil }
        let identity = self.order[self.head]
        self.head += 1
        if self.head == self.order.count {
            self.order.removeAll(keepingCapacity: self.head < 4_096)
            self.head = 0
        } else if self.head >= 4_096 {
            self.order.removeFirst(self.head)
            self.head = 0
        }
        return self.waiting.removeValue(forKey: identity).map { .change($0) }
    }

    /// A delta was set or deleted. `version` of a deleted one is that of the value that is gone.
    mutating func offer(_ news: DeltaNews) {
        self.offers += 1
        let identity = Identity(participant: NodeName(news.participant), group: news.group, key: news.key)
        let known = self.known[identity]
        if let known {
            guard known.generation <= news.generation else { return }
            if known.generation == news.generation, known.version != 0, news.version != 0 {
                if news.delta == nil ? known.version > news.version : known.version >= news.version { return }
            }
        } else if news.delta == nil {
            return
        }
        if news.delta == nil {
            self.known[identity] = nil
        } else {
            self.known[identity] = Known(generation: news.generation, version: news.version, offer: self.offers)
        }
        self.put(
            DeltaChange(
                participant: news.participant,
                generation: news.generation,
                lane: news.lane,
                group: news.group,
                key: news.key,
                delta: news.delta
            ),
            identity
        )
    }

    private mutating func put(_ change: DeltaChange, _ identity: Identity) {
        if self.waiting.updateValue(change, forKey: identity) == nil {
            self.order.append(identity)
        }
    }

    /// Takes over all values as they were read after the step that gave `mark`. What is known from before the mark and not
    /// among them is gone.
    mutating func merge(_ deltas: [Delta], mark: UInt64) {
        var seen = Set<Identity>(minimumCapacity: deltas.count)
        for delta in deltas {
            seen.insert(Identity(participant: NodeName(delta.participant), group: delta.group, key: delta.key))
            self.offer(DeltaNews(delta))
        }
        self.remove(lane: deltas.first?.lane ?? .user) { identity, known in known.offer <= mark && !seen.contains(identity) }
    }

    /// A participant is no longer known, and its deltas are gone with it.
    mutating func forget(_ participant: String, lane: DeltaLane) {
        let name = NodeName(participant)
        self.remove(lane: lane) { identity, _ in identity.participant == name }
    }

    /// In the order in which they came: a dictionary's own differs from process to process.
    private mutating func remove(lane: DeltaLane, where isGone: (Identity, Known) -> Bool) {
        for (identity, known) in self.known.filter(isGone).sorted(by: { $0.value.offer < $1.value.offer }) {
            self.known[identity] = nil
            self.put(
                DeltaChange(
                    participant: identity.participant.text,
                    generation: known.generation,
                    lane: lane,
                    group: identity.group,
                    key: identity.key,
                    delta: nil
                ),
                identity
            )
        }
    }
}

extension DeltaNews {
    init(_ delta: Delta) {
        self.init(
            participant: delta.participant,
            generation: delta.generation,
            lane: delta.lane,
            group: delta.group,
            key: delta.key,
            version: delta.version,
            delta: delta
        )
    }
}
