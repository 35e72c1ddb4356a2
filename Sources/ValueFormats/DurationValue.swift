/// A duration in its textual notation: a whole number and a unit, such as 500ms, 10s, 5m or 1h; or 0.
public struct DurationValue: Hashable, Sendable {
    public let duration: Duration

    /// The maximum duration that can be written: one year, far below any overflow in clock arithmetic.
    public static let longest: Duration = .seconds(365 * 24 * 3600)

    public init(_ duration: Duration) {
        self.duration = duration
    }

    /// Parses a duration.
    ///
    /// - Throws: ``ValueFormatError``, which states how to write a duration.
    public init(parsing text: String, in range: ClosedRange<Duration> = .zero...longest) throws(ValueFormatError) {
        let digits = text.prefix { ("0"..."9").contains($0) }
        let unit = text.dropFirst(digits.count)
        guard !digits.isEmpty else {
            throw ValueFormatError("write a whole number and its unit, such as 500ms, 10s, 5m or 1h")
        }
        let isZero = digits.allSatisfy { $0 == "0" }
        guard let scale = Self.units[unit] ?? (unit.isEmpty && isZero ? .zero : nil) else {
            throw ValueFormatError(
                unit.isEmpty
                    ? "missing unit: write \(digits)ms, \(digits)s, \(digits)m or \(digits)h"
                    : "unknown unit '\(unit)': write a whole number and ms, s, m or h, such as 500ms, 10s, 5m or 1h"
            )
        }
        // Compared before the multiplication, so that a long number cannot overflow.
        guard let number = Int64(digits), isZero || Double(number) <= Self.longest / scale else {
            throw ValueFormatError("too long: must be at most \(Self(range.upperBound))")
        }
        duration = scale * number
        guard duration >= range.lowerBound else {
            throw ValueFormatError("too short: must be at least \(Self(range.lowerBound))")
        }
        guard duration <= range.upperBound else {
            throw ValueFormatError("too long: must be at most \(Self(range.upperBound))")
        }
    }

    private static let units: [Substring: Duration] = [
        "ms": .milliseconds(1), "s": .seconds(1), "m": .seconds(60), "h": .seconds(3600),
    ]
}

extension DurationValue: CustomStringConvertible {
    /// The duration in the largest unit that needs no fraction: `90s`, `1h`.
    public var description: String {
        let (seconds, attoseconds) = duration.components
        return switch seconds {
        case _ where attoseconds != 0: "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms"
        case 0: "0s"
        case _ where seconds % 3600 == 0: "\(seconds / 3600)h"
        case _ where seconds % 60 == 0: "\(seconds / 60)m"
        default: "\(seconds)s"
        }
    }
}
