import ValueFormats

extension TokenRate {
    /// Parses a rate such as `100/s`, `30/m` or `500/h`, optionally with a burst size: `10/s,burst=50`. The default
    /// burst size is the number of tokens per second, minute or hour.
    ///
    /// - Throws: ``TokenRateError``, whose description explains the syntax.
    public init(parsing text: String) throws(TokenRateError) {
        let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
        guard let rate = FrequencyValue.parts(of: parts[0]), let tokens = Int(digits: rate.count),
            (1...Self.maxTokens).contains(tokens)
        else { throw .notation }
        var burst = min(tokens, Self.maxBurst)
        if parts.count == 2 {
            guard parts[1].hasPrefix("burst="), let written = Int(digits: parts[1].dropFirst("burst=".count)),
                (1...Self.maxBurst).contains(written)
            else { throw .burst }
            burst = written
        }
        guard let limit = Self(tokens, per: rate.period, burst: burst) else { throw .filling }
        self = limit
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
