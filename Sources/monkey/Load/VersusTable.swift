import LoadTester

/// Two targets held against each other, as people read it.
struct VersusTable {
    let lines: [String]

    init(_ comparison: VersusReport) {
        guard let first = comparison.first.first, let second = comparison.second.first else {
            lines = ["Stopped before a round was complete."]
            return
        }
        let header = ["", "A", "B", "B / A", "95 % interval"]
        let rows = comparison.ratios.map { ratio in
            [
                ratio.metric, Self.value(ratio.first, ratio), Self.value(ratio.second, ratio),
                "\(ratio.ratio.rounded(to: 3))", Self.interval(ratio),
            ]
        }
        let doubtful = (comparison.first + comparison.second).filter { !$0.trustworthy }
        lines =
            [
                "A  \(first.setup.target)", "B  \(second.setup.target)",
                "\(first.setup.mode), \(first.setup.rate == "max" ? "as fast as it goes" : first.setup.rate), "
                    + "\(comparison.first.count) rounds of \(first.setup.duration.rounded(to: 3)) s each, alternating",
                "",
            ] + ([header] + rows).map(Self.row)
            + ["", "errors       A \(Self.errors(comparison.first)), B \(Self.errors(comparison.second))"]
            + (doubtful.isEmpty
                ? []
                : [
                    "",
                    "NOT TRUSTWORTHY: \(doubtful.count) of \(2 * comparison.first.count) runs may show the load tester:",
                    "  - \(doubtful[0].doubts[0])",
                ])
    }

    private static func value(_ value: Double, _ ratio: VersusReport.Ratio) -> String {
        switch ratio.metric {
        case "upload", "download": BitRate(value).description
        case _ where ratio.isTime: TimeText(value).description
        default: "\(Grouped(Int(value.rounded())))/s"
        }
    }

    private static func interval(_ ratio: VersusReport.Ratio) -> String {
        guard let low = ratio.low, let high = ratio.high else { return "one round" }
        return "\(low.rounded(to: 3)) to \(high.rounded(to: 3))"
    }

    private static func errors(_ reports: [Report]) -> String {
        "\(reports.reduce(0) { $0 + ($1.errors["total"] ?? 0) })"
    }

    private static func row(_ cells: [String]) -> String {
        SummaryTable.padded(cells[0], 12, left: true)
            + zip(cells.dropFirst(), [14, 14, 9, 18]).map { SummaryTable.padded($0, $1) }.joined()
    }
}
