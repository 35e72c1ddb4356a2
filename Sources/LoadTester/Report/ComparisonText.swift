/// A comparison as text, shared by the terminal output and the HTML page, which only do the layout.
package struct ComparisonText {
    private let comparison: LoadTest.ComparisonReport
    private let first: LoadTest.Report
    private let second: LoadTest.Report

    /// Returns nil if no round is complete.
    package init?(_ comparison: LoadTest.ComparisonReport) {
        guard let first = comparison.first.first, let second = comparison.second.first else { return nil }
        (self.comparison, self.first, self.second) = (comparison, first, second)
    }

    package var targets: (first: String, second: String) { (first.setup.target, second.setup.target) }

    /// The workload without the targets: `echo, 1000/s, 5 rounds of 3.00 s each, alternating`.
    package var load: String {
        let rounds = comparison.first.count
        return "\(first.setup.modeAndPace), \(rounds == 1 ? "1 round" : "\(rounds) rounds") of "
            + "\(first.setup.duration.fixed(2)) s each, alternating"
    }

    /// Table of the ratios, with a header.
    package var ratios: [[String]] {
        [["", "A", "B", "B / A", "95 % interval"]]
            + comparison.ratios.map { ratio in
                [
                    ratio.metric, Self.value(ratio.first, ratio), Self.value(ratio.second, ratio),
                    ratio.ratio?.fixed(3) ?? "-", Self.interval(ratio),
                ]
            }
    }

    /// Table of the rounds, with a header.
    package var rounds: [[String]] {
        let metrics = comparison.ratios
        let header = ["round", "target"] + metrics.map(\.metric) + ["errors"]
        let rows = zip(comparison.first, comparison.second).enumerated().flatMap { index, reports in
            [("A", reports.0), ("B", reports.1)].map { name, report in
                ["\(index + 1)", name]
                    + metrics.map { Self.value(Metric(named: $0.metric)?.value(in: report), $0) }
                    + ["\(report.errors["total", default: 0])"]
            }
        }
        return [header] + rows
    }

    /// The number of errors of each target.
    package var errors: String { "A \(Self.errors(comparison.first)), B \(Self.errors(comparison.second))" }

    /// The runs that may reflect the load tester, and the first reason; nil if there are none.
    package var warning: (text: String, reason: String)? {
        let doubtful = (comparison.first + comparison.second).filter { !$0.trustworthy }
        guard let reason = doubtful.first?.warnings.first else { return nil }
        return ("\(doubtful.count) of \(2 * comparison.first.count) runs may reflect the load tester", reason)
    }

    package static let means = "A and B are geometric means over the rounds."

    /// Where, when and how the comparison was made.
    package var origin: [(name: String, text: String)] { ReportText.origin(of: first) }

    private static func value(_ value: Double?, _ ratio: LoadTest.ComparisonReport.Ratio) -> String {
        guard let value else { return "-" }
        return switch ratio.metric {
        case "upload", "download": BitRate(value).description
        case _ where ratio.isTime: TimeText(value).description
        default: "\(Grouped(value))/s"
        }
    }

    private static func interval(_ ratio: LoadTest.ComparisonReport.Ratio) -> String {
        guard let low = ratio.low, let high = ratio.high else { return ratio.ratio == nil ? "-" : "one round" }
        // The interval of two rounds that differ is very wide, and exact digits carry no information.
        return "\(low.fixed(3)) to \(high < 1000 ? high.fixed(3) : "over 1000")"
    }

    private static func errors(_ reports: [LoadTest.Report]) -> String {
        "\(reports.reduce(0) { $0 + ($1.errors["total"] ?? 0) })"
    }
}
