// SPDX-License-Identifier: Apache-2.0
// Calendar times as RFC 3339, and durations in milliseconds.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

internal import GoferBrokeConfiguration

/// A moment of the calendar, for people: never used to decide anything.
package struct ClientTime: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Milliseconds since 1970 in UTC.
    package var milliseconds: Int64

    /// A moment by its milliseconds since 1970 in UTC.
    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// This moment, as the system's clock has it.
    package static func now() -> ClientTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return ClientTime(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Order of time.
    package static func < (left: ClientTime, right: ClientTime) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// RFC 3339 in UTC with milliseconds: `2026-01-31T23:59:59.007Z`.
    package var description: String {
        let dayLength: Int64 = 86_400_000
        let (days, inDay) = ClientTime.divide(self.milliseconds, by: dayLength)
        let date = ClientTime.date(daysSince1970: days)
        let (hours, inHour) = inDay.quotientAndRemainder(dividingBy: 3_600_000)
        let (minutes, inMinute) = inHour.quotientAndRemainder(dividingBy: 60_000)
        let (seconds, fraction) = inMinute.quotientAndRemainder(dividingBy: 1_000)
        let day = "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))"
        return "\(day)T\(padded(hours, 2)):\(padded(minutes, 2)):\(padded(seconds, 2)).\(padded(fraction, 3))Z"
    }

    private func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func divide(_ number: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    /// The Gregorian date of a day. Years are counted from March, so that the leap day is the last one; 146,097 days are 400 years.
    private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let daysTo1970 = Int64(719_468)
        let (era, dayOfEra) = divide(days + daysTo1970, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
    }
}

extension Duration {
    /// Whole milliseconds, saturated.
    package var wholeMilliseconds: Int64 {
        Quantity.microseconds(self) / 1_000
    }
}
