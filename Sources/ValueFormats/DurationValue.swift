/// A duration in its text format: numbers with units, such as `500ms`, `1.5s`, `1m30s` or `1h`; or `0`.
public struct DurationValue: Hashable, Sendable {
    public let duration: Duration

    /// The maximum duration that can be written: one year, far below any overflow in clock arithmetic.
    public static let maxDuration: Duration = .seconds(365 * 24 * 3600)

    /// Regular expression of all valid texts except `0`, for JSON Schema; it also matches some invalid ones.
    public static let pattern = "^([0-9]+([.][0-9]+)? ?(h|m|s|ms|us|ns))+$"

    /// - Parameter duration: from zero to ``maxDuration``; a fraction of a nanosecond is discarded.
    public init(_ duration: Duration) {
        self.duration = duration
    }

    /// Parses a duration: numbers with units, the largest unit first. A number may have a decimal fraction, and one
    /// space may separate it from its unit.
    ///
    /// - Throws: ``ValueFormatError``, which states how to write a duration.
    public init(parsing text: String, in range: ClosedRange<Duration> = .zero...maxDuration) throws(ValueFormatError) {
        duration = .nanoseconds(try Self.nanoseconds(text, max: Self(range.upperBound)))
        guard duration >= range.lowerBound else {
            throw ValueFormatError("too short: must be at least \(Self(range.lowerBound))")
        }
        guard duration <= range.upperBound else {
            throw ValueFormatError("too long: must be at most \(Self(range.upperBound))")
        }
    }

    private static func nanoseconds(_ text: String, max: Self) throws(ValueFormatError) -> Int64 {
        var rest = text[...]
        var total: Int128 = 0
        var units = units[...]
        repeat {
            guard let number = DecimalNumber(consuming: &rest) else {
                throw ValueFormatError("write a number and its unit, such as \(examples)")
            }
            let separated = rest.first == " " && rest.count > 1 ? rest.dropFirst() : rest
            let name = separated.prefix { !("0"..."9").contains($0) }
            rest = separated[name.endIndex...]
            if name.isEmpty, rest.isEmpty, total == 0, units.count == Self.units.count {
                guard number.isZero else {
                    throw ValueFormatError(
                        "missing unit: write \(number.text)ms, \(number.text)s, \(number.text)m or \(number.text)h"
                    )
                }
                return 0
            }
            guard let index = units.firstIndex(where: { $0.name == name }) else {
                throw ValueFormatError(
                    Self.units.contains { $0.name == name }
                        ? "wrong order of units: write the largest first, such as 1m30s"
                        : "unknown unit '\(name)': write a number and h, m, s, ms, us or ns, such as \(examples)"
                )
            }
            guard let part = number.multiplied(by: units[index].nanoseconds) else {
                throw ValueFormatError("too many decimals: write whole nanoseconds")
            }
            total += part
            units = units[(index + 1)...]
        } while !rest.isEmpty
        guard let nanoseconds = Int64(exactly: total), .nanoseconds(nanoseconds) <= maxDuration else {
            throw ValueFormatError("too long: must be at most \(max)")
        }
        return nanoseconds
    }

    private static let examples = "500ms, 1.5s, 1m30s or 1h"

    /// The largest first.
    private static let units = [
        (name: "h", nanoseconds: 3_600_000_000_000), (name: "m", nanoseconds: 60_000_000_000),
        (name: "s", nanoseconds: 1_000_000_000), (name: "ms", nanoseconds: 1_000_000),
        (name: "us", nanoseconds: 1000), (name: "ns", nanoseconds: 1),
    ]
}

extension DurationValue: CustomStringConvertible {
    /// The duration in the largest unit that needs no fraction: `90s`, `1h`. It can be parsed again.
    public var description: String {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
        guard nanoseconds != 0, let unit = Self.units.first(where: { nanoseconds % $0.nanoseconds == 0 }) else {
            return "0s"
        }
        return "\(nanoseconds / unit.nanoseconds)\(unit.name)"
    }
}
