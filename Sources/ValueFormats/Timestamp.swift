import Glibc

/// A UTC time with millisecond precision, from 1970 to the end of the year 9999.
public struct Timestamp: Hashable, Sendable {
    /// From 0 to ``last``.
    private let millisecondsSince1970: Int

    private static let last = 253_402_300_799_999

    /// Rounds to the nearest millisecond. Values outside the years 1970 to 9999 are clamped, and NaN becomes 0.
    public init(secondsSince1970 seconds: Double) {
        millisecondsSince1970 = seconds > 0 ? Int(min((seconds * 1000).rounded(), Double(Self.last))) : 0
    }

    public static var now: Timestamp {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Timestamp(secondsSince1970: Double(now.tv_sec) + Double(now.tv_nsec) / 1e9)
    }

    /// The time in the format of HTTP (RFC 9110, 5.6.7): `Sat, 31 Jan 2026 09:05:03 GMT`.
    public var httpDate: String {
        // The names are those of the C locale, because this process never calls setlocale(3).
        formatted("%a, %d %b %Y %H:%M:%S GMT")
    }

    private func formatted(_ format: String) -> String {
        var seconds = time_t(millisecondsSince1970 / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return String(unsafeUninitializedCapacity: 64) { buffer in
            buffer.withMemoryRebound(to: CChar.self) { strftime($0.baseAddress, $0.count, format, &parts) }
        }
    }
}

extension Timestamp: CustomStringConvertible {
    /// The time in the format of RFC 3339, to the millisecond: `2026-01-31T09:05:03.250Z`.
    public var description: String {
        "\(formatted("%Y-%m-%dT%H:%M:%S")).\(String(millisecondsSince1970 % 1000 + 1000).dropFirst())Z"
    }
}
