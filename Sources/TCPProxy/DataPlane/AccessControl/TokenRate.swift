import Sockets

/// A rate of events: a number of tokens per time span, and a burst size.
public struct TokenRate: Hashable, Sendable {
    /// Maximum number of tokens per span.
    public static let maxTokens = 1_000_000_000
    /// Maximum span.
    public static let maxSpan: Duration = .seconds(86_400)
    /// Maximum burst size.
    public static let maxBurst = 1_000_000
    /// Maximum time to refill an empty bucket: about 11 days.
    public static let maxFillTime: Duration = .seconds(1_000_000)

    /// Time between two tokens, in nanoseconds, rounded up so that the rate is never exceeded.
    let interval: UInt64
    /// Time to refill an empty bucket, in nanoseconds.
    let filling: UInt64

    /// - Parameters:
    ///   - tokens: 1 to ``maxTokens``.
    ///   - span: the time in which this many tokens are added, 1 ns to ``maxSpan``.
    ///   - burst: the capacity of the bucket, 1 to ``maxBurst``.
    /// - Returns: nil if a parameter is out of range, or if refilling the bucket takes longer than ``maxFillTime``.
    public init?(_ tokens: Int, per span: Duration = .seconds(1), burst: Int) {
        guard (1...Self.maxTokens).contains(tokens), (1...Self.maxBurst).contains(burst),
            (.nanoseconds(1)...Self.maxSpan).contains(span)
        else { return nil }
        interval = (span.wholeNanoseconds + UInt64(tokens) - 1) / UInt64(tokens)
        let (filling, overflow) = interval.multipliedReportingOverflow(by: UInt64(burst))
        guard !overflow, filling <= Self.maxFillTime.wholeNanoseconds else { return nil }
        self.filling = filling
    }
}
