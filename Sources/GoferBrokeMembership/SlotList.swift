// SPDX-License-Identifier: Apache-2.0
// Sets of members with an order that depends on the inputs alone (Swift's own sets are seeded per process).

/// A set of slots in an order that is a function of its history. Insertion, removal and membership cost O(1).
struct SlotList: Sendable {
    private(set) var items: [Int32] = []
    private var places: [Int32: Int] = [:]

    var isEmpty: Bool {
        self.items.isEmpty
    }

    func contains(_ slot: Int32) -> Bool {
        self.places[slot] != nil
    }

    mutating func insert(_ slot: Int32) {
        guard self.places[slot] == nil else { return }
        self.places[slot] = self.items.count
        self.items.append(slot)
    }

    mutating func remove(_ slot: Int32) {
        guard let place = self.places.removeValue(forKey: slot) else { return }
        let last = self.items.removeLast()
        if last != slot {
            self.items[place] = last
            self.places[last] = place
        }
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
