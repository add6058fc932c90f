// SPDX-License-Identifier: Apache-2.0
// How well this node is itself: who is late everywhere should doubt itself first.

/// Lifeguard's multiplier: 0 is well, 8 the worst. Every timeout of this node is stretched by (value + 1).
///
/// It grows with each pause of our own loop, each target that others reach and we do not, each time that others accuse us, and each
/// accusation of ours that is refuted while most judges did not share it; of the latter three kinds at most once a second, since one
/// event makes many reports. It shrinks with each probe of ours that is
/// answered and with each calm interval.
struct LocalHealth: Sendable {
    static let worst = 8

    private(set) var value = 0
    private var lastChange = DetectorTime.zero
    private var lastReport: DetectorTime?

    /// How much longer than usual to wait.
    var multiplier: Int64 {
        Int64(self.value + 1)
    }

    /// Our loop did not run.
    mutating func missedDeadline(now: DetectorTime) {
        self.worsen(now: now)
    }

    /// Others tell us that we are late, or that they reach whom we do not, or refute us.
    mutating func wasDoubted(now: DetectorTime) {
        if let last = self.lastReport, now.micros(since: last) < 1_000_000 {
            return
        }
        self.lastReport = now
        self.worsen(now: now)
    }

    /// A probe of ours was answered.
    mutating func succeeded(now: DetectorTime) {
        self.improve(now: now)
    }

    /// Time passed; a calm `interval` (microseconds) improves by one.
    mutating func settle(now: DetectorTime, interval: Int64) {
        if self.value > 0, now.micros(since: self.lastChange) >= interval {
            self.improve(now: now)
        }
    }

    private mutating func worsen(now: DetectorTime) {
        self.value = min(self.value + 1, Self.worst)
        self.lastChange = now
    }

    private mutating func improve(now: DetectorTime) {
        self.value = max(self.value - 1, 0)
        self.lastChange = now
    }
}
