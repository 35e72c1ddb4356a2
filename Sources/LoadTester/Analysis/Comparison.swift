import ValueFormats

extension LoadTest {
    /// A comparison of two targets under the same load, in alternating rounds, so that changes of the machine affect
    /// both.
    public struct Comparison: Sendable {
        /// The plan for the first target.
        public var first: Configuration
        /// The plan for the second target.
        public var second: Configuration
        /// Number of rounds, 1 to 1,000; a confidence interval needs at least 2.
        public var rounds = Settings.rounds.defaultValue

        /// Creates a comparison of five rounds.
        public init(_ first: Configuration, _ second: Configuration) {
            self.first = first
            self.second = second
        }

        /// Runs all rounds: first and second, then second and first, and so on.
        ///
        /// - Parameter run: runs one plan; supplied by the caller, which may show the progress or stop the run.
        /// - Throws: the errors of `run`.
        public func compare(running run: @Sendable (Configuration) async throws -> Report) async throws
            -> ComparisonReport
        {
            var firsts: [Report] = []
            var seconds: [Report] = []
            for round in 0..<rounds {
                let isSwapped = round % 2 == 1
                let earlier = try await run(isSwapped ? second : first)
                if earlier.wasStopped { break }
                let later = try await run(isSwapped ? first : second)
                if later.wasStopped { break }
                firsts.append(isSwapped ? later : earlier)
                seconds.append(isSwapped ? earlier : later)
            }
            return ComparisonReport(firsts, seconds)
        }
    }

    /// The results of a comparison.
    public struct ComparisonReport: Sendable, Hashable, Codable {
        /// The reports of the first target, in order of rounds.
        public var first: [Report]
        /// The reports of the second target, in order of rounds.
        public var second: [Report]
        /// The ratio of each metric.
        public var ratios: [Ratio]

        /// The ratio of a metric of the second target to that of the first.
        public struct Ratio: Sendable, Hashable, Codable {
            /// Name of the metric as in a condition: `throughput`, `p99`.
            public var metric: String
            /// Whether the metric is a time, in seconds.
            public var isTime: Bool
            /// Geometric mean over the first target's rounds; nil if the metric was not measured in one of them.
            @Nullable public var first: Double?
            /// Geometric mean over the second target's rounds; nil if the metric was not measured in one of them.
            @Nullable public var second: Double?
            /// Geometric mean of the rounds' ratios, which is the ratio of the two means; nil if one is nil or 0.
            @Nullable public var ratio: Double?
            /// Lower bound of the 95% confidence interval of the ratio; nil if there was one round, or no ratio.
            @Nullable public var low: Double?
            /// Upper bound of the 95% confidence interval of the ratio; nil if there was one round, or no ratio.
            @Nullable public var high: Double?
        }

        init(_ first: [Report], _ second: [Report]) {
            self.first = first
            self.second = second
            let isBulk = first.first?.setup.isBulk ?? false
            let metrics =
                isBulk
                ? ["upload", "download"]
                : ["throughput", "p50", "p90", "p99", "p999", "max", "connect.p50", "handshake.p50"]
            ratios = metrics.compactMap { name in
                guard let metric = Metric(named: name) else { return nil }
                let (firsts, seconds) = (first.map(metric.value), second.map(metric.value))
                // A metric that neither target has is not part of the workload.
                guard (firsts + seconds).contains(where: { $0 != nil }) else { return nil }
                let pairs = zip(firsts, seconds).compactMap { first, second -> (Double, Double)? in
                    guard let first, let second, first > 0, second > 0 else { return nil }
                    return (first, second)
                }
                let estimate = pairs.count == first.count ? Statistics.ratio(of: pairs) : nil
                return Ratio(
                    metric: name,
                    isTime: metric.isTime,
                    first: Statistics.geometricMean(firsts),
                    second: Statistics.geometricMean(seconds),
                    ratio: estimate?.ratio,
                    low: estimate?.interval?.lowerBound,
                    high: estimate?.interval?.upperBound
                )
            }
        }
    }
}
