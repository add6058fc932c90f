// SPDX-License-Identifier: Apache-2.0
// The dice of a simulation: one sequence of numbers from one seed.

internal import GoferBrokeMembership

/// SplitMix64, as the detector uses it: the same seed gives the same numbers on every machine.
typealias SimulationRandom = DetectorRandom

extension SimulationRandom {
    /// A number from 0 to `bound` (excluded); 0 where `bound` is 0.
    mutating func below(_ bound: UInt64) -> UInt64 {
        self.next().multipliedFullWidth(by: bound).high
    }

    /// A number from 0 to `bound` (excluded); 0 where `bound` is not positive.
    mutating func below(_ bound: Int) -> Int {
        bound > 0 ? Int(self.below(UInt64(bound))) : 0
    }

    /// From 0 to 1, 1 excluded.
    mutating func unit() -> Double {
        Double(self.next() >> 11) / 9_007_199_254_740_992
    }

    mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && self.unit() < probability
    }

    mutating func time(in range: ClosedRange<Duration>) -> Duration {
        let (low, high) = (range.lowerBound.micros, range.upperBound.micros)
        return .microseconds(low + Int64(self.below(UInt64(high - low + 1))))
    }

    /// One of them; nil where there is none.
    mutating func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[self.below(elements.count)]
    }

    /// `count` of them, or all, in random order.
    mutating func sample<Element>(_ count: Int, of elements: [Element]) -> [Element] {
        var rest = elements
        var picked: [Element] = []
        while picked.count < count, !rest.isEmpty {
            let place = self.below(rest.count)
            picked.append(rest[place])
            rest.swapAt(place, rest.count - 1)
            rest.removeLast()
        }
        return picked
    }
}

extension Duration {
    /// Whole microseconds, clamped to 64 bits.
    var micros: Int64 {
        let (seconds, attoseconds) = self.components
        let (scaled, isOver) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, isSumOver) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        return isOver || isSumOver ? (seconds < 0 ? .min : .max) : sum
    }

    /// Whole microseconds, none where it is negative.
    var positiveMicros: UInt64 {
        UInt64(max(self.micros, 0))
    }

    var inSeconds: Double {
        Double(self.micros) / 1e6
    }
}
