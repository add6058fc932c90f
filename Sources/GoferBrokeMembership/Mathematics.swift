// SPDX-License-Identifier: Apache-2.0
// Logarithm, exponential and the tail of the normal distribution, written out: the module has no mathematics library
// under it, and a simulation must give the same bits on every platform.

enum Mathematics {
    static let ln2 = 0.693_147_180_559_945_309_4
    static let ln10 = 2.302_585_092_994_045_684
    /// ln(sqrt(2 pi)).
    static let lnRootTwoPi = 0.918_938_533_204_672_741_8

    /// Natural logarithm of a positive, finite number; -infinity at 0 and below.
    static func ln(_ x: Double) -> Double {
        guard x > 0 else { return -.infinity }
        guard x.isFinite else { return x }
        var exponent = Double(x.exponent)
        var mantissa = x.significand
        // Centre on 1, so that the series below has |z| <= 0.172.
        if mantissa > 1.414_213_562_373_095 {
            mantissa /= 2
            exponent += 1
        }
        // ln m = 2 atanh z.
        let z = (mantissa - 1) / (mantissa + 1)
        let square = z * z
        var power = z
        var sum = 0.0
        var divisor = 1.0
        while power.magnitude > 1e-18 {
            sum += power / divisor
            power *= square
            divisor += 2
        }
        return exponent * ln2 + 2 * sum
    }

    /// e to the power of `x`, for |x| < 700.
    static func exp(_ x: Double) -> Double {
        // To the nearest; `rounded()` would be a call into the mathematics library.
        let doublings = Int(x / ln2 + (x < 0 ? -0.5 : 0.5))
        let rest = x - Double(doublings) * ln2
        var term = 1.0
        var sum = 1.0
        var n = 1.0
        while term.magnitude > 1e-18 {
            term *= rest / n
            sum += term
            n += 1
        }
        return Double(sign: .plus, exponent: doublings, significand: sum)
    }

    /// -log10 of the chance that a standard normal variable exceeds `z`; finite for every finite `z`.
    ///
    /// To 2.5 by the series of the distribution function, whose terms have one sign; above by the continued fraction of Mills'
    /// ratio in logarithms, where the chance itself would underflow.
    static func negativeLog10OfNormalTail(_ z: Double) -> Double {
        if z < -35 {
            return 0
        }
        if z < -2.5 {
            // -ln(1 - q) by its series: 1 - q itself would keep nothing of q.
            let q = exp(-negativeLog10OfNormalTail(-z) * ln10)
            return (q + q * q / 2 + q * q * q / 3 + q * q * q * q / 4) / ln10
        }
        if z < 2.5 {
            // P(Z <= z) = 1/2 + density(z) * (z + z^3/3 + z^5/15 + ...)
            var term = z
            var sum = z
            var divisor = 1.0
            while term.magnitude > 1e-17 * max(sum.magnitude, 1e-300) {
                divisor += 2
                term *= z * z / divisor
                sum += term
            }
            let tail = 0.5 - exp(-z * z / 2 - lnRootTwoPi) * sum
            return max(0, -ln(min(1, max(tail, 1e-300))) / ln10)
        }
        // Mills' ratio = 1 / (z + 1 / (z + 2 / (z + 3 / ...))), evaluated from the far end.
        var denominator = z
        for k in stride(from: 80.0, through: 1.0, by: -1.0) {
            denominator = z + k / denominator
        }
        return (z * z / 2 + lnRootTwoPi + ln(denominator)) / ln10
    }
}
