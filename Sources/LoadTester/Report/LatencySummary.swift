import Histogram

extension LoadTest {
    /// Summary of a distribution of times, in seconds. If nothing was measured, ``count`` and all statistics are 0 here,
    /// and the statistics are null in JSON.
    public struct LatencySummary: Sendable, Hashable, Codable {
        /// Number of values.
        public var count = 0
        /// Minimum.
        public var min = 0.0
        /// Mean; not meaningful if the distribution has a long tail.
        public var mean = 0.0
        /// Standard deviation.
        public var standardDeviation = 0.0
        /// 50th percentile (median).
        public var p50 = 0.0
        /// 75th percentile.
        public var p75 = 0.0
        /// 90th percentile.
        public var p90 = 0.0
        /// 95th percentile.
        public var p95 = 0.0
        /// 99th percentile.
        public var p99 = 0.0
        /// 99.9th percentile.
        public var p999 = 0.0
        /// 99.99th percentile.
        public var p9999 = 0.0
        /// Maximum.
        public var max = 0.0
    }

    /// A point of a cumulative distribution: `percentile` percent of the times were at most `value`.
    public struct PercentilePoint: Sendable, Hashable, Codable {
        /// 0 to 100.
        public var percentile: Double
        /// In seconds.
        public var value: Double
        /// Number of times that were at most `value`.
        public var count: Int
    }
}

extension LoadTest.LatencySummary {
    private enum CodingKeys: String, CodingKey {
        case count, min, mean, standardDeviation, p50, p75, p90, p95, p99, p999, p9999, max
    }

    private static var statistics: [(CodingKeys, WritableKeyPath<LoadTest.LatencySummary, Double>)] {
        [
            (.min, \.min), (.mean, \.mean), (.standardDeviation, \.standardDeviation), (.p50, \.p50), (.p75, \.p75),
            (.p90, \.p90), (.p95, \.p95), (.p99, \.p99), (.p999, \.p999), (.p9999, \.p9999), (.max, \.max),
        ]
    }

    /// Encodes the statistics, as null if nothing was measured.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(count, forKey: .count)
        for (key, field) in Self.statistics {
            if count > 0 {
                try container.encode(self[keyPath: field], forKey: key)
            } else {
                try container.encodeNil(forKey: key)
            }
        }
    }

    /// Decodes what ``encode(to:)`` has encoded.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        count = try container.decode(Int.self, forKey: .count)
        for (key, field) in Self.statistics {
            self[keyPath: field] = try container.decodeIfPresent(Double.self, forKey: key) ?? 0
        }
    }
}

extension LoadTest.LatencySummary {
    /// Reads a histogram of nanoseconds in a single pass; separate queries would each take a pass.
    init(_ histogram: LatencyHistogram) {
        let total = histogram.totalCount
        guard total > 0 else { return }
        count = Int(total)
        min = Double(histogram.min) / 1e9
        max = Double(histogram.maxRecorded) / 1e9

        var ranks = Self.ranks.map { (rank: Self.rank($0.percentile, of: total), field: $0.field) }[...]
        var seen: UInt64 = 0
        var sum = 0.0
        var squares = 0.0
        for step in histogram.recordedValues() {
            seen += step.count
            // The histogram stores only the range of a value, to a precision of 1/1000.
            let upper = Double(Swift.min(step.value, histogram.maxRecorded)) / 1e9
            while let next = ranks.first, next.rank <= seen {
                self[keyPath: next.field] = upper
                ranks = ranks.dropFirst()
            }
            let middle = Double(histogram.middle(of: step.value)) / 1e9
            sum += middle * Double(step.count)
            squares += middle * middle * Double(step.count)
        }
        mean = sum / Double(total)
        standardDeviation = Swift.max(0, squares / Double(total) - mean * mean).squareRoot()
    }

    private static var ranks: [(percentile: Double, field: WritableKeyPath<LoadTest.LatencySummary, Double>)] {
        [
            (50, \.p50), (75, \.p75), (90, \.p90), (95, \.p95), (99, \.p99), (99.9, \.p999), (99.99, \.p9999),
        ]
    }

    /// Returns the rank, from 1, of a percentile in `total` ordered values.
    private static func rank(_ percentile: Double, of total: UInt64) -> UInt64 {
        Swift.max(1, UInt64((percentile.nextDown / 100 * Double(total)).rounded(.up)))
    }
}

extension Histogram where Count == UInt64 {
    fileprivate func middle(of value: UInt64) -> UInt64 {
        lowestEquivalentForValue(value) + sizeOfEquivalentRangeForValue(value) / 2
    }

    /// The cumulative distribution, at percentiles that converge to 100.
    var curve: [LoadTest.PercentilePoint] {
        percentiles(ticksPerHalfDistance: 5).map { step in
            LoadTest.PercentilePoint(
                percentile: step.percentileLevelIteratedTo,
                value: Double(Swift.min(step.value, maxRecorded)) / 1e9,
                count: Int(step.totalCountToThisValue)
            )
        }
    }
}
