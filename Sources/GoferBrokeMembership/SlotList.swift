// SPDX-License-Identifier: Apache-2.0
// Sets of members with an order that depends on the inputs alone (Swift's own sets are seeded per process).

/// A set of slots, in order. Membership costs a binary search; insertion and removal move what stands behind: most of these sets hold
/// the handful of members that something happens with, and those that can hold half of the cluster change seldom.
struct SlotList: Sendable {
    private(set) var items: [Int32] = []

    var isEmpty: Bool {
        self.items.isEmpty
    }

    func contains(_ slot: Int32) -> Bool {
        let place = self.place(of: slot)
        return place < self.items.count && self.items[place] == slot
    }

    mutating func insert(_ slot: Int32) {
        let place = self.place(of: slot)
        guard place == self.items.count || self.items[place] != slot else { return }
        self.items.insert(slot, at: place)
    }

    mutating func remove(_ slot: Int32) {
        let place = self.place(of: slot)
        guard place < self.items.count, self.items[place] == slot else { return }
        self.items.remove(at: place)
    }

    /// The first place that does not hold a lesser slot.
    private func place(of slot: Int32) -> Int {
        var low = 0
        var high = self.items.count
        while low < high {
            let middle = (low + high) / 2
            if self.items[middle] < slot {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}

/// First in, first out. The caller sees to it that a slot is in it once at most.
struct SlotQueue: Sendable {
    private var items: [Int32] = []
    private var head = 0

    var count: Int {
        self.items.count - self.head
    }

    mutating func append(_ slot: Int32) {
        self.items.append(slot)
    }

    mutating func popFirst() -> Int32? {
        guard self.head < self.items.count else { return nil }
        let slot = self.items[self.head]
        self.head += 1
        if self.head * 2 > self.items.count {
            self.items.removeFirst(self.head)
            self.head = 0
        }
        return slot
    }

    mutating func remove(_ slot: Int32) {
        self.items.removeFirst(self.head)
        self.head = 0
        self.items.removeAll { $0 == slot }
    }
}
