import ValueFormats

extension LoadTest.RateProfile {
    /// Parses a rate, `20000/s`, `20k/s`, `600/m`, or a ramp, `0..50000/s over 30s`.
    ///
    /// - Throws: ``LoadTest/SyntaxError``, which describes the correct syntax.
    public init(parsing text: String) throws(LoadTest.SyntaxError) {
        guard let dots = text.firstRange(of: "..") else {
            let rate = try Self.rate(text[...])
            guard rate > 0 else { throw LoadTest.SyntaxError("the rate is 0: write more than 0") }
            self = .constant(rate)
            return
        }
        guard let over = text.firstRange(of: "over"), over.lowerBound >= dots.upperBound else {
            throw LoadTest.SyntaxError("the ramp has no duration: write it as 0..50000/s over 30s")
        }
        let upper = text[dots.upperBound..<over.lowerBound].trimmed
        let to = try Self.rate(upper)
        // The first number may omit the unit; it then has that of the second one.
        let unit = upper.firstIndex(of: "/").map { String(upper[$0...]) } ?? ""
        let lower = text[..<dots.lowerBound].trimmed
        let from = try Self.rate(lower.contains("/") ? lower : lower + unit)
        let length = text[over.upperBound...].trimmed
        guard
            let duration = try? DurationValue(parsing: String(length), in: Self.minRamp...Self.maxRamp)
                .duration
        else {
            throw LoadTest.SyntaxError("invalid ramp duration '\(length)': write it as 30s or 1m30s, at most a day")
        }
        guard from > 0 || to > 0 else { throw LoadTest.SyntaxError("both ends of the ramp are 0: raise one of them") }
        self = .ramp(from: from, to: to, over: duration)
    }

    private static let minRamp: Duration = .nanoseconds(1)
    private static let maxRamp: Duration = .seconds(86_400)

    private static func rate(_ text: Substring) throws(LoadTest.SyntaxError) -> Double {
        let text = text.trimmed
        guard
            let rate = text.contains("/") ? FrequencyValue(parsing: text)?.perSecond : CountValue(parsing: text)?.count
        else { throw LoadTest.SyntaxError("invalid rate '\(text)': write it as 20000/s, 20k/s, 600/m or 100/h") }
        return try checked(rate)
    }

    private static func checked(_ rate: Double) throws(LoadTest.SyntaxError) -> Double {
        guard rate <= 1e9 else { throw LoadTest.SyntaxError("the rate is too high: write at most 1000000000/s") }
        return rate
    }
}
