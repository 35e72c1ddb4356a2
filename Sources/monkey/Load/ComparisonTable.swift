import LoadTester

/// The comparison of two targets as text.
struct ComparisonTable {
    let lines: [String]

    init(_ comparison: LoadTest.ComparisonReport) {
        guard let first = comparison.first.first, let second = comparison.second.first else {
            lines = ["Stopped before the first round was complete."]
            return
        }
        let rounds = comparison.first.count
        let header = ["", "A", "B", "B / A", "95 % interval"]
        let rows = comparison.ratios.map { ratio in
            [
                ratio.metric, Self.value(ratio.first, ratio), Self.value(ratio.second, ratio),
                ratio.ratio.fixed(3), Self.interval(ratio),
            ]
        }
        let doubtful = (comparison.first + comparison.second).filter { !$0.trustworthy }
        lines =
            [
                "A  \(first.setup.target)", "B  \(second.setup.target)",
                "\(first.setup.modeAndPace), \(rounds == 1 ? "1 round" : "\(rounds) rounds") of "
                    + "\(first.setup.duration.fixed(2)) s each, alternating",
                "",
            ] + ([header] + rows).map(Self.row)
            + ["", "errors       A \(Self.errors(comparison.first)), B \(Self.errors(comparison.second))"]
            + (doubtful.isEmpty
                ? []
                : [
                    "",
                    "NOT TRUSTWORTHY: \(doubtful.count) of \(2 * rounds) runs may reflect the load tester:",
                    "  - \(doubtful[0].warnings[0])",
                ])
    }

    private static func value(_ value: Double, _ ratio: LoadTest.ComparisonReport.Ratio) -> String {
        switch ratio.metric {
        case "upload", "download": BitRate(value).description
        case _ where ratio.isTime: TimeText(value).description
        default: "\(Grouped(value))/s"
        }
    }

    private static func interval(_ ratio: LoadTest.ComparisonReport.Ratio) -> String {
        guard let low = ratio.low, let high = ratio.high else { return "one round" }
        // The interval of two rounds that differ is very wide, and exact digits carry no information.
        return "\(low.fixed(3)) to \(high < 1000 ? high.fixed(3) : "over 1000")"
    }

    private static func errors(_ reports: [LoadTest.Report]) -> String {
        "\(reports.reduce(0) { $0 + ($1.errors["total"] ?? 0) })"
    }

    private static func row(_ cells: [String]) -> String {
        cells[0].leftAligned(12) + zip(cells.dropFirst(), [14, 14, 10, 20]).map { $0.rightAligned($1) }.joined()
    }
}
