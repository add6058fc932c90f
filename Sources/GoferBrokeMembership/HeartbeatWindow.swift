// SPDX-License-Identifier: Apache-2.0
// The intervals between a peer's heartbeats, and how unlikely its present silence is.

/// The last intervals between heartbeats of one link.
///
/// Kept in units of 100 microseconds and summed as integers: 4,096 intervals of an hour stay below 2^63, and nothing drifts
/// as old intervals leave.
struct HeartbeatWindow: Sendable {
    private static let unit: Int64 = 100
    private static let longest: Int64 = 3_600_000_000

    private var intervals: [Int32] = []
    private var oldest = 0
    private var sum: Int64 = 0
    private var squares: Int64 = 0
    private let capacity: Int

    /// A window that begins with the interval that the configuration promises, an eighth to either side: two samples that
    /// real ones outweigh soon.
    init(capacity: Int, expectedInterval: Int64) {
        self.capacity = max(capacity, 2)
        let eighth = expectedInterval / 8
        self.record(expectedInterval - eighth)
        self.record(expectedInterval + eighth)
    }

    var count: Int {
        self.intervals.count
    }

    /// Adds an interval in microseconds; the oldest leaves a full window.
    mutating func record(_ interval: Int64) {
        let value = Int32(min(max(interval, 0), Self.longest) / Self.unit)
        if self.intervals.count < self.capacity {
            self.intervals.append(value)
        } else {
            let old = Int64(self.intervals[self.oldest])
            self.sum -= old
            self.squares -= old * old
            self.intervals[self.oldest] = value
            self.oldest = (self.oldest + 1) % self.capacity
        }
        self.sum += Int64(value)
        self.squares += Int64(value) * Int64(value)
    }

    /// Mean interval in microseconds.
    var mean: Double {
        Double(self.sum) / Double(self.count) * Double(Self.unit)
    }

    /// Standard deviation of the intervals in microseconds.
    var deviation: Double {
        let mean = Double(self.sum) / Double(self.count)
        let variance = Double(self.squares) / Double(self.count) - mean * mean
        return max(variance, 0).squareRoot() * Double(Self.unit)
    }

    /// -log10 of the chance that a heartbeat is still to come after `silence`. Continuous, never infinite.
    func phi(silence: Int64, minimumDeviation: Int64, acceptablePause: Int64) -> Double {
        let deviation = max(self.deviation, Double(minimumDeviation))
        let expected = self.mean + Double(acceptablePause)
        return Mathematics.negativeLog10OfNormalTail((Double(silence) - expected) / deviation)
    }
}
