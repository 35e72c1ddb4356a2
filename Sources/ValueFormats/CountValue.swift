/// A count in its text format: a number, optionally in thousands, millions or billions, such as `250`, `1.5k` or `2M`.
public struct CountValue: Hashable, Sendable {
    public let count: Double

    /// Parses a count; returns nil if the text is not one.
    public init?(parsing text: some StringProtocol) {
        var rest = Substring(text)
        let scales: [Substring: Double] = ["": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9]
        guard let digits = DecimalNumber(consuming: &rest)?.text, let number = Double(digits), let scale = scales[rest]
        else { return nil }
        count = number * scale
    }
}

/// A rate in its text format: a count per second, minute or hour, such as `20k/s`, `600/m` or `100/h`.
public struct FrequencyValue: Hashable, Sendable {
    public let count: Double
    /// A second, a minute or an hour.
    public let period: Duration

    public var perSecond: Double { count / (period / .seconds(1)) }

    /// Parses a rate; returns nil if the text is not one.
    public init?(parsing text: some StringProtocol) {
        guard let parts = Self.parts(of: text), let count = CountValue(parsing: parts.count)?.count else { return nil }
        self.count = count
        period = parts.period
    }

    /// Splits a rate into its count, which is not parsed, and its period; returns nil if there is no such period.
    public static func parts<Text: StringProtocol>(of text: Text) -> (count: Text.SubSequence, period: Duration)? {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let periods = ["s": Duration.seconds(1), "m": .seconds(60), "h": .seconds(3600)]
        guard parts.count == 2, let period = periods[String(parts[1])] else { return nil }
        return (parts[0], period)
    }
}

extension Int {
    /// Parses a number that consists only of ASCII digits; returns nil if the text is not one, or too large.
    public init?(digits text: some StringProtocol) {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        self.init(text)
    }
}
