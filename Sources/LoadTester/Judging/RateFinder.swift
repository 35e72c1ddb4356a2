/// Finds the highest rate that keeps a condition, by running a plan again and again.
public struct RateFinder: Sendable {
    /// Run at each rate for its duration; what it says of its pace is not looked at.
    public var plan: Plan
    /// What has to be kept.
    public var condition: Assertion
    /// Rates outside it are not tried; nil finds the upper end by a closed loop.
    public var range: ClosedRange<Double>?

    /// A search without bounds.
    public init(_ plan: Plan, keeping condition: Assertion) {
        self.plan = plan
        self.condition = condition
    }

    /// What was found.
    public struct Result: Sendable, Codable {
        /// The highest rate, in requests per second, that was tried and kept the condition; nil if none did.
        public var rate: Double?
        /// Each try, in order.
        public var tries: [Try]
        /// Whether the search was stopped before its end; then it is without the run that was stopped.
        public var wasStopped: Bool
    }

    /// A run at one rate.
    public struct Try: Sendable, Codable {
        /// Requests per second that were due.
        public var rate: Double
        /// Whether the condition was kept and the target answered all but a hundredth of what was due.
        public var isKept: Bool
        /// What the run found.
        public var report: Report
    }

    /// Of what was due, so much has to be answered: else the rate was not borne, whatever the latency of the rest.
    static let answeredShare = 0.99

    /// Runs the search.
    ///
    /// - Parameter run: runs one plan; that of the caller, who may want to show its progress or stop it.
    /// - Throws: what a run throws.
    public func find(
        running run: @Sendable (Plan) async throws -> Report
    ) async throws -> Result {
        var tries: [Try] = []
        var wasStopped = false
        var search: RateSearch
        if let range {
            search = RateSearch(kept: range.lowerBound, broken: range.upperBound)
        } else {
            var plan = plan
            plan.pace = .flatOut
            let ceiling = try await run(plan)
            // A closed loop's rate cannot be exceeded by an open one's, but for what rounding and luck make.
            search = RateSearch(broken: max(1, ceiling.throughput * 1.1))
            if ceiling.wasStopped { return Result(rate: nil, tries: [], wasStopped: true) }
        }
        while let rate = search.next {
            var plan = plan
            plan.pace = .rate(.constant(rate))
            let report = try await run(plan)
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
