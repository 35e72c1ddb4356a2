/// Two targets under the same load, in rounds that alternate, so that what changes on the machine meanwhile meets both.
public struct Versus: Sendable {
    /// What is done to the first target.
    public var first: Plan
    /// What is done to the second.
    public var second: Plan
    /// How often each of them is run, 1 to 1,000; from two on there is an interval.
    public var rounds = 5

    /// Five rounds.
    public init(_ first: Plan, _ second: Plan) {
        self.first = first
        self.second = second
    }

    /// Runs all rounds: first and second, then second and first, and so on.
    ///
    /// - Parameter run: runs one plan; that of the caller, who may want to show its progress or stop it.
    /// - Throws: what a run throws.
    public func compare(running run: @Sendable (Plan) async throws -> Report) async throws -> VersusReport {
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
        return VersusReport(firsts, seconds)
    }
}

/// How the second target compares with the first.
public struct VersusReport: Sendable, Hashable, Codable {
    /// The reports of the first target, round by round.
    public var first: [Report]
    /// The reports of the second.
    public var second: [Report]
    /// Metric by metric.
    public var ratios: [Ratio]

    /// A metric's ratio, second to first.
    public struct Ratio: Sendable, Hashable, Codable {
        /// As in a condition: `throughput`, `p99`.
        public var metric: String
        /// Whether it is a time, in seconds.
        public var isTime: Bool
        /// The median of the first target's rounds.
        public var first: Double
        /// The median of the second's.
        public var second: Double
        /// The geometric mean of the rounds' ratios.
        public var ratio: Double
        /// The ends of its confidence interval of 95 %; nil where there was one round.
        public var low: Double?
        /// The upper end.
        public var high: Double?
    }

    init(_ first: [Report], _ second: [Report]) {
        self.first = first
        self.second = second
        let isBulk = first.first?.setup.isBulk ?? false
        let metrics =
            isBulk ? ["upload", "download"] : ["throughput", "p50", "p90", "p99", "p999", "max", "connect.p50"]
        ratios = metrics.compactMap { name in
            guard let metric = Metric(named: name) else { return nil }
            let pairs = zip(first, second).compactMap { first, second -> (Double, Double)? in
                guard let left = metric.value(in: first), let right = metric.value(in: second), left > 0, right > 0
                else {
                    return nil
                }
                return (left, right)
            }
            guard !pairs.isEmpty, pairs.count == first.count else { return nil }
            let estimate = Statistics.ratio(of: pairs)
            return Ratio(
                metric: name,
                isTime: metric.isTime,
                first: Statistics.median(pairs.map(\.0)),
                second: Statistics.median(pairs.map(\.1)),
                ratio: estimate.ratio,
                low: estimate.interval?.lowerBound,
                high: estimate.interval?.upperBound
            )
        }
    }
}
