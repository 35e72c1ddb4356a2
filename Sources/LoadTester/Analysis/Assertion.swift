import ValueFormats

extension LoadTest {
    /// A condition on a report, such as `p99<5ms`, `errors==0` or `throughput>10000`.
    public struct Assertion: Sendable, Hashable {
        /// The condition as written.
        public let text: String
        let metric: Metric
        let comparison: Relation
        /// In seconds if the metric is a time.
        let bound: Double

        enum Relation: String, Sendable, CaseIterable {
            // Longest first: of two operators at the same position, the parser takes the first in this list.
            case atMost = "<="
            case atLeast = ">="
            case equal = "=="
            case unequal = "!="
            case less = "<"
            case more = ">"

            func holds(_ left: Double, _ right: Double) -> Bool {
                switch self {
                case .atMost: left <= right
                case .atLeast: left >= right
                case .equal: left == right
                case .unequal: left != right
                case .less: left < right
                case .more: left > right
                }
            }
        }

        /// Parses a condition.
        ///
        /// - Throws: ``SyntaxError``, which describes the correct syntax.
        public init(parsing text: String) throws(SyntaxError) {
            let signs = Relation.allCases.compactMap { sign in
                text.firstRange(of: sign.rawValue).map { (range: $0, sign: sign) }
            }
            // The leftmost operator; at the same position the longer one, which is first in the list.
            guard let found = signs.min(by: { $0.range.lowerBound < $1.range.lowerBound }) else {
                throw SyntaxError(
                    "'\(text)' has no comparison: write a metric, one of < <= > >= == != and a value, such as p99<5ms"
                )
            }
            let name = String(text[..<found.range.lowerBound].trimmed)
            guard let metric = Metric(named: name) else {
                throw SyntaxError("unknown metric '\(name)': write one of \(Metric.names)")
            }
            let value = text[found.range.upperBound...].trimmed
            guard let bound = metric.isTime ? Self.seconds(value) : CountValue(parsing: value)?.count else {
                throw SyntaxError(
                    metric.isTime
                        ? "invalid time '\(value)': write a number and its unit, such as 500us, 5ms or 1s"
                        : "invalid number '\(value)': write a number such as 0, 10000 or 10k"
                )
            }
            self.text = text
            self.metric = metric
            comparison = found.sign
            self.bound = bound
        }

        private static func seconds(_ text: Substring) -> Double? {
            (try? DurationValue(parsing: String(text)).duration).map { $0 / .seconds(1) }
        }

        /// Throws if the metric is not measured in a mode, so that the condition could never be met.
        public func checkMeasured(by configuration: Configuration) throws(SyntaxError) {
            guard let reason = metric.absence(in: configuration) else { return }
            throw SyntaxError("'\(text)' can never be met: \(reason)")
        }

        /// Evaluates the condition on a report.
        public func verdict(on report: Report) -> Verdict {
            guard let value = metric.value(in: report) else {
                return Verdict(assertion: text, isKept: false, found: "nothing was measured")
            }
            return Verdict(
                assertion: text,
                isKept: comparison.holds(value, bound),
                found: metric.isTime
                    ? TimeText(value).description : value.rounded() == value ? value.short : value.fixed(1)
            )
        }

        /// Whether a condition holds, and the value found.
        public struct Verdict: Sendable, Hashable, Codable {
            /// The condition as written.
            public var assertion: String
            /// Whether the condition holds.
            public var isKept: Bool
            /// The value, formatted for people.
            public var found: String
        }
    }
}
