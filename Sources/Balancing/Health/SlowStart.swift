/// The share of its weight that a server has for a while after it came up, so that cold caches are not flooded.
public struct SlowStart: Sendable, Equatable {
    /// From the least share to the whole, in nanoseconds; 0 for no slow start.
    public let duration: Int
    /// The share at the beginning, 0 to 1. With 0 a server would wait for its first connection until the first step.
    public let leastShare: Double

    /// - Parameters:
    ///   - duration: in nanoseconds; less than 0 counts as 0.
    ///   - leastShare: 0 to 1; beyond that counts as the nearer of the two.
    public init(duration: Int, leastShare: Double = 0.1) {
        self.duration = max(0, duration)
        self.leastShare = leastShare > 0 ? min(leastShare, 1) : 0
    }

    /// The share after so many nanoseconds: it grows evenly, never below the least share, and is 1 at the end.
    public func factor(after elapsed: Int) -> Double {
        guard isRunning(after: elapsed) else { return 1 }
        return max(leastShare, Double(max(0, elapsed)) / Double(duration))
    }

    /// Whether the share is still growing.
    public func isRunning(after elapsed: Int) -> Bool { duration > 0 && elapsed < duration }
}
