import Glibc

/// A UTC time with millisecond precision, formatted according to RFC 3339: `2026-01-31T23:59:59.999Z`.
public struct Timestamp: Sendable, CustomStringConvertible {
    /// The time in seconds since 1970.
    public let seconds: Int
    public let milliseconds: Int

    public init(seconds: Int, milliseconds: Int = 0) {
        self.seconds = seconds
        self.milliseconds = milliseconds
    }

    public static var now: Timestamp {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Timestamp(seconds: now.tv_sec, milliseconds: now.tv_nsec / 1_000_000)
    }

    public var description: String {
        var seconds = time_t(seconds)
        var date = tm()
        gmtime_r(&seconds, &date)
        let day = "\(date.tm_year + 1900)-\(padded(date.tm_mon + 1, 2))-\(padded(date.tm_mday, 2))"
        let time = "\(padded(date.tm_hour, 2)):\(padded(date.tm_min, 2)):\(padded(date.tm_sec, 2))"
        return "\(day)T\(time).\(padded(Int32(milliseconds), 3))Z"
    }

    private func padded(_ number: Int32, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
