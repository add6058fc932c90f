// SPDX-License-Identifier: Apache-2.0
// Monotonic time as the detector sees it: an argument, never a clock that is read.

/// A moment on the caller's monotonic clock, in microseconds since an origin that the caller chose.
///
/// Arithmetic saturates: nothing a caller passes can overflow.
public struct DetectorTime: Comparable, Hashable, Sendable, CustomStringConvertible {
    /// Microseconds since the caller's origin.
    public var microseconds: UInt64

    /// The origin.
    public static let zero = DetectorTime(microseconds: 0)

    /// Makes a moment from microseconds since the caller's origin.
    public init(microseconds: UInt64) {
        self.microseconds = microseconds
    }

    /// The earlier moment is the lesser.
    public static func < (left: DetectorTime, right: DetectorTime) -> Bool {
        left.microseconds < right.microseconds
    }

    /// The moment `duration` after `time` (before it, where `duration` is negative).
    public static func + (time: DetectorTime, duration: Duration) -> DetectorTime {
        time.advanced(by: duration.wholeMicroseconds)
    }

    /// The moment `duration` before `time`.
    public static func - (time: DetectorTime, duration: Duration) -> DetectorTime {
        let micros = duration.wholeMicroseconds
        return time.advanced(by: micros == .min ? .max : -micros)
    }

    /// How much later `end` is than `start`; negative where it is earlier.
    public static func - (end: DetectorTime, start: DetectorTime) -> Duration {
        .microseconds(end.micros(since: start))
    }

    /// Moves the moment by `duration`.
    public static func += (time: inout DetectorTime, duration: Duration) {
        time = time + duration
    }

    /// Seconds since the origin with milliseconds, for people.
    public var description: String {
        let millis = self.microseconds / 1_000
        let fraction = String(millis % 1_000)
        return "\(millis / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction) s"
    }

    func advanced(by micros: Int64) -> DetectorTime {
        if micros >= 0 {
            let (sum, overflow) = self.microseconds.addingReportingOverflow(UInt64(micros))
            return DetectorTime(microseconds: overflow ? .max : sum)
        }
        let (difference, underflow) = self.microseconds.subtractingReportingOverflow(micros.magnitude)
        return DetectorTime(microseconds: underflow ? 0 : difference)
    }

    func micros(since start: DetectorTime) -> Int64 {
        if self >= start {
            return Int64(clamping: self.microseconds - start.microseconds)
        }
        return -Int64(clamping: start.microseconds - self.microseconds)
    }
}

extension Duration {
    /// Whole microseconds, rounded toward zero and clamped to 64 bits.
    var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        if overflow {
            return seconds < 0 ? .min : .max
        }
        let (sum, carried) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        return carried ? (seconds < 0 ? .min : .max) : sum
    }

    /// Milliseconds for people: `1500 ms`.
    var inMilliseconds: String {
        "\(self.wholeMicroseconds / 1_000) ms"
    }
}
