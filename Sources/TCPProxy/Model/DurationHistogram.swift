/// Histogram of durations with fixed buckets, as in Prometheus.
public struct DurationHistogram: Sendable, Equatable {
    /// Upper bounds in seconds, in ascending order; one more bucket counts longer durations.
    public static let bounds: [Double] = [
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    /// Count per bucket (not cumulative); the last one is for durations above all bounds.
    public var counts = [Int](repeating: 0, count: bounds.count + 1)
    /// Sum of all durations.
    public var sum: Duration = .zero

    /// Creates an empty histogram.
    public init() {}

    /// Number of durations.
    public var count: Int { counts.reduce(0, +) }
}
