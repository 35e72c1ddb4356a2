extension RateProfile {
    /// Parses a rate, `20000/s`, `20k/s`, `600/m`, or a ramp, `0..50000/s over 30s`.
    ///
    /// - Throws: ``TextError``, which describes the correct syntax.
    public init(parsing text: String) throws(TextError) {
        guard let dots = text.firstRange(of: "..") else {
            let rate = try Self.rate(text[...])
            guard rate > 0 else { throw TextError("the rate is 0: write more than 0") }
            self = .constant(rate)
            return
        }
        guard let over = text.firstRange(of: "over"), over.lowerBound >= dots.upperBound else {
            throw TextError("the ramp has no duration: write it as 0..50000/s over 30s")
        }
        let upper = text[dots.upperBound..<over.lowerBound].trimmed
        let to = try Self.rate(upper)
        // The first number may omit the unit; it then has that of the second one.
        let unit = upper.firstIndex(of: "/").map { String(upper[$0...]) } ?? ""
        let lower = text[..<dots.lowerBound].trimmed
        let from = try Self.rate(lower.contains("/") ? lower : lower + unit)
        guard let seconds = Quantity.seconds(text[over.upperBound...].trimmed), seconds > 0, seconds <= 86_400 else {
            throw TextError(
                "invalid ramp duration '\(text[over.upperBound...].trimmed)': write it as 30s or 5m, at most a day"
            )
        }
        guard from > 0 || to > 0 else { throw TextError("both ends of the ramp are 0: raise one of them") }
        self = .ramp(from: from, to: to, over: .nanoseconds(Int64(seconds * 1e9)))
    }

    private static func rate(_ text: Substring) throws(TextError) -> Double {
        let parts = text.trimmed.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let units: [Substring: Double] = ["s": 1, "m": 60, "h": 3600]
        guard let first = parts.first, let number = Quantity.number(first.trimmed) else {
            throw TextError("invalid rate '\(text.trimmed)': write it as 20000/s, 20k/s or 600/m")
        }
        guard parts.count == 2 else { return try checked(number) }
        guard let unit = units[parts[1].trimmed] else {
            throw TextError("unknown unit of time '\(parts[1])': write a rate as 20000/s, 600/m or 100/h")
        }
        return try checked(number / unit)
    }

    private static func checked(_ rate: Double) throws(TextError) -> Double {
        guard rate <= 1e9 else { throw TextError("the rate is too high: write at most 1000000000/s") }
        return rate
    }
}
