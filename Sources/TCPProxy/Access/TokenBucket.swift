import Sockets

/// How often something may happen: so many times in a span, and so many at once after a rest.
public struct TokenRate: Hashable, Sendable {
    /// The most tokens in one span.
    public static let mostTokens = 1_000_000_000
    /// The longest span.
    public static let longestSpan: Duration = .seconds(86_400)
    /// The most that a bucket can hold.
    public static let largestBurst = 1_000_000
    /// The longest time that an empty bucket may take to be full: about 11 days.
    public static let longestFilling: Duration = .seconds(1_000_000)

    /// From one token to the next, in nanoseconds, rounded up: what is allowed is never exceeded.
    let interval: UInt64
    /// From an empty bucket to a full one, in nanoseconds.
    let filling: UInt64

    /// - Parameters:
    ///   - tokens: 1 to ``mostTokens``.
    ///   - span: the time in which so many come, 1 ns to ``longestSpan``.
    ///   - burst: how many may be taken at once from a full bucket, 1 to ``largestBurst``.
    /// - Returns: nil if one of them is outside its range, or if the bucket would take longer than ``longestFilling`` to be
    ///   full.
    public init?(_ tokens: Int, per span: Duration = .seconds(1), burst: Int) {
        guard (1...Self.mostTokens).contains(tokens), (1...Self.largestBurst).contains(burst),
            (.nanoseconds(1)...Self.longestSpan).contains(span)
        else { return nil }
        interval = (span.wholeNanoseconds + UInt64(tokens) - 1) / UInt64(tokens)
        let (filling, overflow) = interval.multipliedReportingOverflow(by: UInt64(burst))
        guard !overflow, filling <= Self.longestFilling.wholeNanoseconds else { return nil }
        self.filling = filling
    }
}

/// A bucket of tokens as one number: the moment at which it will be full, if none is taken until then (the generic cell rate
/// algorithm, ITU-T I.371, as a virtual schedule).
///
/// A bucket whose moment is past is full, so zeroed memory is a full one.
struct TokenBucket: Hashable, Sendable {
    var fullAt = Instant(nanoseconds: 0)

    func isFull(at now: Instant) -> Bool { fullAt <= now }

    /// Takes a token, if there is one.
    mutating func take(_ rate: TokenRate, at now: Instant) -> Bool {
        let (next, isTaken) = taking(rate, at: now)
        self = next
        return isTaken
    }

    /// The bucket after an attempt to take a token, and whether there was one.
    func taking(_ rate: TokenRate, at now: Instant) -> (bucket: TokenBucket, isTaken: Bool) {
        let missing = fullAt > now ? fullAt.nanoseconds - now.nanoseconds : 0
        guard missing <= rate.filling else {
            // It was filled at a slower rate, before a change of configuration, and begins this one's time empty.
            return (TokenBucket(fullAt: Instant(nanoseconds: now.nanoseconds + rate.filling)), false)
        }
        let (owed, overflow) = missing.addingReportingOverflow(rate.interval)
        guard !overflow, owed <= rate.filling else { return (self, false) }
        let (moment, isLate) = now.nanoseconds.addingReportingOverflow(owed)
        return isLate ? (self, false) : (TokenBucket(fullAt: Instant(nanoseconds: moment)), true)
    }
}
