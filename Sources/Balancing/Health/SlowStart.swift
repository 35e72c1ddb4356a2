/// The temporarily reduced share of its weight that a server has after it came up, so that cold caches are not flooded.
public struct SlowStart: Sendable, Equatable {
    /// The duration of the ramp in nanoseconds; 0 disables slow start.
    public let duration: Int
    /// The minimum share, 0 to 1. With 0 the server gets almost no connections until the first update of its weight.
    public let leastShare: Double

    /// - Parameters:
    ///   - duration: In nanoseconds; less than 0 counts as 0.
    ///   - leastShare: 0 to 1; values outside this range are clamped.
    public init(duration: Int, leastShare: Double = 0.1) {
        self.duration = max(0, duration)
        self.leastShare = leastShare > 0 ? min(leastShare, 1) : 0
    }

    /// Returns the share after a time in nanoseconds: it grows linearly, is never below ``leastShare``, and is 1 at the
    /// end.
    public func factor(after elapsed: Int) -> Double {
        guard isRunning(after: elapsed) else { return 1 }
        return max(leastShare, Double(max(0, elapsed)) / Double(duration))
    }

    /// Returns whether the share is still growing.
    public func isRunning(after elapsed: Int) -> Bool { duration > 0 && elapsed < duration }
}
