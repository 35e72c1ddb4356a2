import Glibc
import ProcessSupport
import Sockets

/// A time in UTC in the formats of HTTP (RFC 9110) and RFC 3339.
struct CalendarTimestamp {
    /// Milliseconds since 1970, from 0 to ``last``, the end of the year 9999.
    private let milliseconds: Int

    private static let last = 253_402_300_799_999

    /// - Parameter seconds: seconds since 1970; values outside the years 1970 to 9999 are clamped, and NaN becomes 0.
    init(secondsSince1970 seconds: Double) {
        milliseconds = seconds > 0 ? Int(min((seconds * 1000).rounded(), Double(Self.last))) : 0
    }

    static var now: CalendarTimestamp {
        CalendarTimestamp(secondsSince1970: Double(WallClock.nanoseconds) / 1e9)
    }

    /// The RFC 3339 format, to the millisecond: `2026-01-31T09:05:03.250Z`.
    var rfc3339: String {
        let fraction = String(milliseconds % 1000 + 1000).dropFirst()
        return "\(written("%Y-%m-%dT%H:%M:%S")).\(fraction)Z"
    }

    /// The RFC 9110, 5.6.7 format: `Sat, 31 Jan 2026 09:05:03 GMT`.
    var httpDate: String {
        // The names are those of the C locale, because this process never calls setlocale(3).
        written("%a, %d %b %Y %H:%M:%S GMT")
    }

    private func written(_ format: String) -> String {
        var seconds = milliseconds / 1000
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return String(unsafeUninitializedCapacity: 64) { buffer in
            buffer.withMemoryRebound(to: CChar.self) { strftime($0.baseAddress, $0.count, format, &parts) }
        }
    }
}
