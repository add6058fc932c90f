// SPDX-License-Identifier: Apache-2.0
// Durations, sizes, numbers and switches: text to value and back, exactly.

/// The text forms of values. Every reader returns nil for text that is not of its form; none of them rounds.
package enum Quantity {
    private static let durationUnits: [(name: String, microseconds: Int64)] = [
        ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1),
    ]

    private static let sizeUnits: [(name: String, bytes: Int64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000), ("B", 1),
    ]

    static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "on", "yes": return true
        case "false", "off", "no": return false
        default: return nil
        }
    }

    /// Decimal digits with an optional sign.
    static func integer(_ text: String) -> Int? {
        isNumber(text, allowed: "+-0123456789") ? Int(text) : nil
    }

    /// A finite decimal number; no hexadecimal, no `nan`, no `inf`.
    package static func float(_ text: String) -> Double? {
        guard isNumber(text, allowed: "+-.eE0123456789"), let value = Double(text), value.isFinite else { return nil }
        return value
    }

    private static func isNumber(_ text: String, allowed: String) -> Bool {
        text.utf8.contains { (0x30...0x39).contains($0) } && text.utf8.allSatisfy { allowed.utf8.contains($0) }
    }

    /// `500ms`, `1.5s`, `0`; a bare number counts in milliseconds where the key allows it.
    package static func duration(_ text: String, bareMilliseconds: Bool) -> Duration? {
        if bareMilliseconds, let value = scaled(text[...], by: 1_000) { return .microseconds(value) }
        if text == "0" { return .zero }
        let unit = text.drop { !$0.isLetter }
        guard let scale = durationUnits.first(where: { $0.name == unit }) else { return nil }
        return scaled(text[..<unit.startIndex], by: scale.microseconds).map { .microseconds($0) }
    }

    /// The shortest exact text, in the largest unit that divides the duration. Finer than 1 us is not expressible.
    static func text(_ duration: Duration) -> String {
        let microseconds = Quantity.microseconds(duration)
        guard microseconds != 0 else { return "0s" }
        let unit = durationUnits.first { microseconds % $0.microseconds == 0 }
        guard let unit else { return "\(microseconds)us" }
        return "\(microseconds / unit.microseconds)\(unit.name)"
    }

    /// Whole microseconds, saturated: no duration that a caller can build overflows.
    package static func microseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, overflowOfSum) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        guard !overflow, !overflowOfSum else { return seconds < 0 ? .min : .max }
        return sum
    }

    /// `64KB` (1,000), `1MiB` (1,024 x 1,024), `100` (bytes). Units in any case.
    static func size(_ text: String) -> Int? {
        let unit = text.drop { !$0.isLetter }
        if unit.isEmpty { return scaled(text[...], by: 1).flatMap { Int(exactly: $0) } }
        guard let scale = sizeUnits.first(where: { $0.name.lowercased() == unit.lowercased() }) else { return nil }
        return scaled(text[..<unit.startIndex], by: scale.bytes).flatMap { Int(exactly: $0) }
    }

    /// The shortest exact text: binary units first, then decimal ones, then bytes.
    static func text(size: Int) -> String {
        let bytes = Int64(size)
        guard bytes != 0, let unit = sizeUnits.first(where: { bytes % $0.bytes == 0 }), unit.name != "B" else { return "\(size)" }
        return "\(bytes / unit.bytes)\(unit.name)"
    }

    /// `digits[.digits]` times `scale`, if that is a whole number in range.
    private static func scaled(_ text: Substring, by scale: Int64) -> Int64? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first.flatMap({ digits($0) }) else { return nil }
        let (product, overflow) = whole.multipliedReportingOverflow(by: scale)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return product }
        guard parts[1].utf8.count <= 9, let fraction = digits(parts[1]) else { return nil }
        var divisor: Int64 = 1
        for _ in 0..<parts[1].utf8.count {
            divisor *= 10
        }
        let (scaledFraction, fractionOverflow) = fraction.multipliedReportingOverflow(by: scale)
        guard !fractionOverflow, scaledFraction % divisor == 0 else { return nil }
        let (sum, sumOverflow) = product.addingReportingOverflow(scaledFraction / divisor)
        return sumOverflow ? nil : sum
    }

    private static func digits(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }
}
