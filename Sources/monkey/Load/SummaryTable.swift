import LoadTester

/// A report as text for a terminal.
struct SummaryTable {
    let lines: [String]

    init(_ report: LoadTest.Report) {
        let text = ReportText(report)
        var lines = ["\(report.setup.target): \(text.load)", ""]
        if report.latency.count > 0 { lines += Self.table(text.latencies, first: 10, others: 10) + [""] }
        lines += text.facts.map { $0.name.leftAligned(13) + $0.text }
        if !text.steps.isEmpty {
            lines += [""] + Self.table(text.steps, first: 0, others: 12) + ["", text.saturationPoint]
        }
        if !report.trustworthy {
            lines += ["", "NOT TRUSTWORTHY: \(ReportText.warning)."] + report.warnings.map { "  - \($0)" }
        }
        self.lines = lines
    }

    /// Formats columns: left-aligned names in the first if `first` is positive, right-aligned numbers in the others.
    private static func table(_ rows: [[String]], first: Int, others: Int) -> [String] {
        rows.map { row in
            let names = row.prefix(first > 0 ? 1 : 0)
            let figures = row.dropFirst(names.count).map { $0.rightAligned(others) }
            let line = names.map { $0.leftAligned(first) }.joined() + figures.joined()
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}
