extension TokenRate {
    /// Parses a rate such as `100/s`, `30/m` or `500/h`, optionally with a burst size: `10/s,burst=50`. The default
    /// burst size is the number of tokens per second, minute or hour.
    ///
    /// - Throws: ``TokenRateError``, whose description explains the syntax.
    public init(parsing text: String) throws(TokenRateError) {
        let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
        let rate = parts[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard rate.count == 2, let tokens = Self.number(rate[0]), (1...Self.maxTokens).contains(tokens),
            let span = Self.spans[rate[1]]
        else { throw .notation }
        var burst = min(tokens, Self.maxBurst)
        if parts.count == 2 {
            guard parts[1].hasPrefix("burst="), let written = Self.number(parts[1].dropFirst("burst=".count)),
                (1...Self.maxBurst).contains(written)
            else { throw .burst }
            burst = written
        }
        guard let rate = Self(tokens, per: span, burst: burst) else { throw .filling }
        self = rate
    }

    private static let spans: [Substring: Duration] = ["s": .seconds(1), "m": .seconds(60), "h": .seconds(3600)]

    private static func number(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
    }
}

/// The reason why a text is not a valid rate.
public enum TokenRateError: Error, Hashable, Sendable {
    /// The text is not a count, a slash and a unit of time.
    case notation
    /// The burst is not in its range.
    case burst
    /// Refilling the burst takes longer than ``TokenRate/maxFillTime``.
    case filling
}

extension TokenRateError: CustomStringConvertible {
    /// One sentence that explains the syntax.
    public var description: String {
        switch self {
        case .notation: "write a number per second, minute or hour, such as 100/s, 30/m or 10/s,burst=50"
        case .burst: "write a burst size from 1 to \(TokenRate.maxBurst), such as 10/s,burst=50"
        case .filling: "refilling the burst takes more than 11 days: write a smaller burst"
        }
    }
}
