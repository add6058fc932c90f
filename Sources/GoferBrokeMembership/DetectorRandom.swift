// SPDX-License-Identifier: Apache-2.0
// The detector's own dice: integers only, seeded, a value.

/// SplitMix64: the same seed gives the same numbers on every platform.
public struct DetectorRandom: RandomNumberGenerator, Hashable, Sendable {
    private var state: UInt64

    /// Any seed is good, 0 too.
    public init(seed: UInt64) {
        self.state = seed
    }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        return RingPlacement.mix(self.state)
    }

    /// A number from 0 to `bound` (excluded); 0 where `bound` is not positive.
    ///
    /// The bias of the multiplication is below bound / 2^64: of no meaning for choosing helpers.
    mutating func index(below bound: Int) -> Int {
        guard bound > 0 else { return 0 }
        return Int(self.next().multipliedFullWidth(by: UInt64(bound)).high)
    }
}
