import Glibc
import Sockets

/// A moment as the two standards for HTTP and for data interchange write it, always in UTC.
struct Timestamp {
    /// Since 1970, between its beginning and the end of the year 9999.
    private let milliseconds: Int

    private static let last = 253_402_300_799_999

    /// - Parameter seconds: since 1970; what is beyond the years 1970 to 9999, or no number, becomes the nearest moment.
    init(secondsSince1970 seconds: Double) {
        milliseconds = seconds > 0 ? Int(min((seconds * 1000).rounded(), Double(Self.last))) : 0
    }

    static var now: Timestamp {
        Timestamp(secondsSince1970: Double(WallClock.nanoseconds) / 1e9)
    }

    /// As in RFC 3339, to the millisecond: `2026-01-31T09:05:03.250Z`.
    var rfc3339: String {
        let fraction = String(milliseconds % 1000 + 1000).dropFirst()
        return "\(written("%Y-%m-%dT%H:%M:%S")).\(fraction)Z"
    }

    /// As in RFC 9110, 5.6.7: `Sat, 31 Jan 2026 09:05:03 GMT`.
    var httpDate: String {
        // The C locale's names, since nothing here ever calls setlocale(3).
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
