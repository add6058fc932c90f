// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GoferBrokeMembership

@Suite("Phi")
struct PhiTests {
    /// -log10 of the upper tail of the standard normal distribution, from tables.
    static let tails: [(z: Double, phi: Double)] = [
        (-40, 0), (-9, 0), (-3, 0.000_586_649_3), (-1, 0.075_026_013_0), (0, 0.301_029_995_7), (1, 0.799_545_541_5),
        (2, 1.643_016_080_1), (2.4999, 2.206_809_217_5), (2.5, 2.206_931_805_8), (3, 2.869_699_035_9), (5, 6.542_645_672_4),
        (5.612_001_244, 8.000_000_000_0), (8, 15.206_142_551_0), (40, 349.437_006_459_3),
    ]

    @Test("The tail of the normal distribution has its tabulated values", arguments: tails)
    func tailHasItsValues(_ row: (z: Double, phi: Double)) {
        #expect(abs(Mathematics.negativeLog10OfNormalTail(row.z) - row.phi) < 1e-9)
    }

    @Test("Phi grows without a jump, also where the formula changes and far out")
    func phiIsContinuous() {
        var last = Mathematics.negativeLog10OfNormalTail(-10)
        for step in 1...100_000 {
            let phi = Mathematics.negativeLog10OfNormalTail(-10 + Double(step) / 1_000)
            #expect(phi >= last && phi - last < 0.05)
            last = phi
        }
        #expect(last.isFinite && Mathematics.negativeLog10OfNormalTail(1e9).isFinite)
    }

    @Test("Logarithm and exponential agree with each other and with known values")
    func logarithmAndExponential() {
        #expect(abs(Mathematics.ln(2) - 0.693_147_180_559_945_3) < 1e-15)
        #expect(abs(Mathematics.ln(10) - 2.302_585_092_994_046) < 1e-15)
        #expect(abs(Mathematics.exp(1) - 2.718_281_828_459_045) < 1e-15)
        #expect(Mathematics.ln(1) == 0 && Mathematics.exp(0) == 1)
        for x in stride(from: -30.0, through: 30.0, by: 0.37) {
            #expect(abs(Mathematics.ln(Mathematics.exp(x)) - x) < 1e-13)
        }
    }

    @Test("A steady peer at 2 s reaches phi 8 after mean + pause + 5.612 deviations")
    func thresholdByHand() {
        var window = HeartbeatWindow(capacity: 4, expectedInterval: 2_000_000)
        for _ in 0..<4 {
            window.record(2_000_000)
        }
        #expect(window.mean == 2_000_000 && window.deviation == 0)
        // 2 s + 1 s + 5.612001244 x 100 ms
        let before = window.phi(silence: 3_561_190, minimumDeviation: 100_000, acceptablePause: 1_000_000)
        let after = window.phi(silence: 3_561_210, minimumDeviation: 100_000, acceptablePause: 1_000_000)
        #expect(before < 8 && after > 8 && after - before < 0.001)
    }

    @Test("Mean and deviation are those of the last intervals alone")
    func windowForgets() {
        var window = HeartbeatWindow(capacity: 4, expectedInterval: 2_000_000)
        for interval: Int64 in [9_000_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000] {
            window.record(interval)
        }
        #expect(window.count == 4 && window.mean == 2_500_000)
        // Population deviation of 1, 2, 3, 4 s: sqrt(1.25) s.
        #expect(abs(window.deviation - 1_118_033.988) < 1)
    }

    @Test("A window of the longest intervals does not overflow")
    func windowHoldsHours() {
        var window = HeartbeatWindow(capacity: 4_096, expectedInterval: 3_600_000_000)
        for _ in 0..<5_000 {
            window.record(.max)
        }
        #expect(window.mean == 3_600_000_000 && window.deviation == 0)
    }

    @Test("Suspicion shrinks with the logarithm of the confirmations, from 6 s to 2 s; a single judge waits 6 s")
    func suspicionShrinks() {
        let detector = PhiAccrualDetector(name: "a", generation: 1, seed: 1)
        #expect(detector.suspicionTime(accusing: 1, judges: 8) == 6_000_000)
        // 6 - 4 ln 2 / ln 4 = 4; 6 - 4 ln 3 / ln 4 = 2.8301
        #expect(detector.suspicionTime(accusing: 2, judges: 8) == 4_000_000)
        #expect(abs(detector.suspicionTime(accusing: 3, judges: 8) - 2_830_074) < 10)
        #expect(detector.suspicionTime(accusing: 4, judges: 8) == 2_000_000)
        #expect(detector.suspicionTime(accusing: 8, judges: 8) == 2_000_000)
        #expect(detector.suspicionTime(accusing: 2, judges: 2) == 2_000_000)
        #expect(detector.suspicionTime(accusing: 1, judges: 1) == 6_000_000)
    }

    @Test("Time saturates instead of overflowing")
    func timeSaturates() {
        let end = DetectorTime(microseconds: .max)
        #expect(end + .seconds(1) == end)
        #expect(DetectorTime.zero - .seconds(1) == .zero)
        #expect(DetectorTime.zero + .seconds(-1) == .zero)
        #expect(DetectorTime.zero + .seconds(Int64.max) > .zero)
        #expect(DetectorTime(microseconds: 5) - DetectorTime(microseconds: 3) == .microseconds(2))
        #expect(DetectorTime(microseconds: 3) - DetectorTime(microseconds: 5) == .microseconds(-2))
    }
}
