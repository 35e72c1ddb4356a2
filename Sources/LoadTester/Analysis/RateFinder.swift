extension LoadTest {
    /// A search for the highest rate at which a condition holds, by running a plan repeatedly.
    public struct RateFinder: Sendable {
        /// The plan, run at each rate for its duration; its own pace is ignored.
        public var configuration: Configuration
        /// The condition that must hold.
        public var condition: Assertion
        /// Bounds of the rates to try; if nil, the upper bound is measured with a closed loop.
        public var range: ClosedRange<Double>?

        /// Creates a search without bounds.
        public init(_ configuration: Configuration, keeping condition: Assertion) {
            self.configuration = configuration
            self.condition = condition
        }

        /// The result of a search.
        public struct Result: Sendable, Codable {
            /// The highest tried rate, in requests per second, at which the condition held; nil if there is none.
            @Nullable public var rate: Double?
            /// All tries, in order.
            public var tries: [Try]
            /// Whether the search was stopped early; the run that was stopped is not included in the tries.
            public var wasStopped: Bool
        }

        /// A run at one rate.
        public struct Try: Sendable, Codable {
            /// Offered rate, in requests per second.
            public var rate: Double
            /// Whether the condition held and the target answered at least 99% of the requests due.
            public var isKept: Bool
            /// The report of the run.
            public var report: Report
        }

        /// Minimum share of the due requests that must be answered for a rate to be sustained, whatever the latency of
        /// the others.
        static let answeredShare = 0.99

        /// Runs the search.
        ///
        /// - Parameter run: runs one plan; supplied by the caller, which may show the progress or stop the run.
        /// - Throws: the errors of `run`.
        public func find(
            running run: @Sendable (Configuration) async throws -> Report
        ) async throws -> Result {
            var tries: [Try] = []
            var wasStopped = false
            var search: RateSearch
            if let range {
                search = RateSearch(kept: range.lowerBound, broken: range.upperBound)
            } else {
                var configuration = configuration
                configuration.pace = .closedLoop
                let ceiling = try await run(configuration)
                // An open loop cannot exceed the rate of a closed loop, except for rounding and noise; hence 10% on
                // top.
                search = RateSearch(broken: max(1, (ceiling.throughput ?? 0) * 1.1))
                if ceiling.wasStopped { return Result(rate: nil, tries: [], wasStopped: true) }
            }
            while let rate = search.next {
                var configuration = configuration
                configuration.pace = .rate(.constant(rate))
                let report = try await run(configuration)
                if report.wasStopped {
                    wasStopped = true
                    break
                }
                let isKept = isKept(by: report)
                tries.append(Try(rate: rate, isKept: isKept, report: report))
                search.note(isKept: isKept)
            }
            return Result(rate: tries.filter(\.isKept).map(\.rate).max(), tries: tries, wasStopped: wasStopped)
        }

        func isKept(by report: Report) -> Bool {
            condition.verdict(on: report).isKept
                && Double(report.exchanges.answered) >= Self.answeredShare * Double(report.exchanges.due)
        }
    }
}
