// SPDX-License-Identifier: Apache-2.0
// Where a name stands on the rings, and who its neighbours are. The C core computes the same: Tests/Vectors/rings.txt.

/// The rings: `ringCount` independent orders of the members by hashes of their names.
///
/// Every node computes them from the set of names alone, so the overlay needs no messages. Neighbours of a member are its
/// successor and its predecessor on each ring; up to `meshLimit` members everybody is everybody's neighbour.
public enum RingPlacement {
    /// How many rings there are.
    public static let ringCount = 4

    /// Up to this many members, the one asked about included, everybody is everybody's neighbour.
    public static let meshLimit = 16

    /// The place of `name` on each ring.
    ///
    /// FNV-1a over the UTF-8 bytes, then for each ring a SplitMix64 finalizer over the hash xor a constant of the ring.
    public static func hashes(of name: String) -> SIMD4<UInt64> {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        var places = SIMD4<UInt64>()
        for ring in 0..<self.ringCount {
            places[ring] = self.mix(hash ^ (0x9e37_79b9_7f4a_7c15 &* UInt64(ring + 1)))
        }
        return places
    }

    /// The neighbours of `name` among `members` and itself, in the order of their names' bytes.
    ///
    /// `name` need not be one of `members`. A pure function, for people and tests; the detector keeps its rings sorted.
    public static func neighbors(of name: String, among members: [String]) -> [String] {
        var rings = RingSet()
        var names: [String] = []
        for member in members where !member.utf8.elementsEqual(name.utf8) {
            names.append(member)
            rings.insert(Int32(names.count - 1), names: names)
        }
        names.append(name)
        return rings.neighbors(of: Int32(names.count - 1), names: names)
            .map { names[Int($0)] }
            .sorted { $0.precedesByBytes($1) }
    }

    static func mix(_ value: UInt64) -> UInt64 {
        var x = value
        x ^= x >> 30
        x &*= 0xbf58_476d_1ce4_e5b9
        x ^= x >> 27
        x &*= 0x94d0_49bb_1331_11eb
        x ^= x >> 31
        return x
    }
}

extension String {
    /// Order by UTF-8 bytes: Swift's own order folds canonically equivalent names together.
    func precedesByBytes(_ other: String) -> Bool {
        self.utf8.lexicographicallyPrecedes(other.utf8)
    }
}

/// A name as a dictionary key, told apart by its bytes: to Swift's `String` two spellings of one accented letter are equal,
/// to the wire they are two nodes.
struct NameKey: Hashable, Sendable {
    let name: String

    init(_ name: String) {
        self.name = name
    }

    static func == (left: NameKey, right: NameKey) -> Bool {
        left.name.utf8.count == right.name.utf8.count && left.name.utf8.elementsEqual(right.name.utf8)
    }

    func hash(into hasher: inout Hasher) {
        // All bytes at once: one by one they cost more than everything else that a heartbeat does. A name is the whole key, so it needs
        // no terminator.
        let isContiguous: Void? = self.name.utf8.withContiguousStorageIfAvailable { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        guard isContiguous == nil else { return }
        var copy = self.name
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// The rings of a set of members, kept sorted. Members are slots (indices into the caller's table of names).
struct RingSet: Sendable {
    struct Point: Sendable {
        var hash: UInt64
        var slot: Int32
    }

    /// `ringCount` arrays of the same members, each sorted by (hash, bytes of the name).
    private(set) var rings: [[Point]] = Array(repeating: [], count: RingPlacement.ringCount)

    var count: Int {
        self.rings[0].count
    }

    /// Adds a slot that is not in the set.
    mutating func insert(_ slot: Int32, names: [String]) {
        let hashes = RingPlacement.hashes(of: names[Int(slot)])
        for ring in 0..<RingPlacement.ringCount {
            let place = self.lowerBound(of: hashes[ring], slot: slot, ring: ring, names: names)
            self.rings[ring].insert(Point(hash: hashes[ring], slot: slot), at: place)
        }
    }

    /// Removes a slot that is in the set.
    mutating func remove(_ slot: Int32, names: [String]) {
        let hashes = RingPlacement.hashes(of: names[Int(slot)])
        for ring in 0..<RingPlacement.ringCount {
            let place = self.lowerBound(of: hashes[ring], slot: slot, ring: ring, names: names)
            if place < self.rings[ring].count, self.rings[ring][place].slot == slot {
                self.rings[ring].remove(at: place)
            }
        }
    }

    /// The members of this set for which `isIncluded` holds, in rings of their own. Linear.
    func filtered(_ isIncluded: (Int32) -> Bool) -> RingSet {
        var result = RingSet()
        for ring in 0..<RingPlacement.ringCount {
            result.rings[ring] = self.rings[ring].filter { isIncluded($0.slot) }
        }
        return result
    }

    /// Successor and predecessor on each ring of all members at once: `2 * ringCount` slots for each of `slotCount` slots, some of
    /// them twice, -1 for slots that are not in the set. Linear; only for sets beyond the mesh.
    func edges(slotCount: Int) -> [Int32] {
        let width = 2 * RingPlacement.ringCount
        var edges = [Int32](repeating: -1, count: width * slotCount)
        for ring in 0..<RingPlacement.ringCount {
            guard var before = self.rings[ring].last?.slot else { continue }
            for point in self.rings[ring] {
                edges[Int(before) * width + 2 * ring] = point.slot
                edges[Int(point.slot) * width + 2 * ring + 1] = before
                before = point.slot
            }
        }
        return edges
    }

    /// The neighbours of `slot` in the rings of this set and itself, each once; the slot need not be in the set.
    func neighbors(of slot: Int32, names: [String]) -> [Int32] {
        let ownPlaces = RingPlacement.hashes(of: names[Int(slot)])
        var result: [Int32] = []
        let isMember: Bool = {
            let place = self.lowerBound(of: ownPlaces[0], slot: slot, ring: 0, names: names)
            return place < self.count && self.rings[0][place].slot == slot
        }()
        let total = self.count + (isMember ? 0 : 1)
        if total <= RingPlacement.meshLimit {
            result.reserveCapacity(total)
            for point in self.rings[0] where point.slot != slot {
                result.append(point.slot)
            }
            return result
        }
        result.reserveCapacity(2 * RingPlacement.ringCount)
        for ring in 0..<RingPlacement.ringCount {
            let points = self.rings[ring]
            let place = self.lowerBound(of: ownPlaces[ring], slot: slot, ring: ring, names: names)
            let successor = points[(place + (isMember ? 1 : 0)) % points.count].slot
            let predecessor = points[(place + points.count - 1) % points.count].slot
            if !result.contains(successor) {
                result.append(successor)
            }
            if !result.contains(predecessor) {
                result.append(predecessor)
            }
        }
        return result
    }

    /// The first place on `ring` that is not before (hash, name of slot).
    private func lowerBound(of hash: UInt64, slot: Int32, ring: Int, names: [String]) -> Int {
        let points = self.rings[ring]
        var low = 0
        var high = points.count
        while low < high {
            let middle = (low + high) / 2
            let point = points[middle]
            let isBefore =
                point.hash != hash
                ? point.hash < hash
                : point.slot != slot && names[Int(point.slot)].precedesByBytes(names[Int(slot)])
            if isBefore {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
