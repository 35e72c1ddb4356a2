import Sockets

/// A token bucket stored as one number: the time at which it will be full if no token is taken (generic cell rate
/// algorithm, ITU-T I.371, virtual scheduling).
///
/// A bucket whose time has passed is full, so zeroed memory is a full bucket.
struct TokenBucket: Hashable, Sendable {
    var fullAt = Instant(nanoseconds: 0)

    func isFull(at now: Instant) -> Bool { fullAt <= now }

    /// Takes a token; returns false if the bucket is empty.
    mutating func take(_ rate: TokenRate, at now: Instant) -> Bool {
        let (next, isTaken) = taking(rate, at: now)
        self = next
        return isTaken
    }

    /// Returns the bucket after an attempt to take a token, and whether a token was taken.
    func taking(_ rate: TokenRate, at now: Instant) -> (bucket: TokenBucket, isTaken: Bool) {
        let missing = fullAt > now ? fullAt.nanoseconds - now.nanoseconds : 0
        guard missing <= rate.filling else {
            // The debt comes from a slower rate before a reconfiguration; continue with an empty bucket at the new
            // rate.
            return (TokenBucket(fullAt: Instant(nanoseconds: now.nanoseconds + rate.filling)), false)
        }
        let (owed, overflow) = missing.addingReportingOverflow(rate.interval)
        guard !overflow, owed <= rate.filling else { return (self, false) }
        let (moment, isLate) = now.nanoseconds.addingReportingOverflow(owed)
        return isLate ? (self, false) : (TokenBucket(fullAt: Instant(nanoseconds: moment)), true)
    }
}
