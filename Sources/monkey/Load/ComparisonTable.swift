import LoadTester

/// The comparison of two targets as text for a terminal.
struct ComparisonTable {
    let lines: [String]

    init(_ comparison: LoadTest.ComparisonReport) {
        guard let text = ComparisonText(comparison) else {
            lines = ["Stopped before the first round was complete."]
            return
        }
        var lines = ["A  \(text.targets.first)", "B  \(text.targets.second)", text.load, ""]
        lines += text.ratios.map(Self.row) + ["", "errors       \(text.errors)"]
        if let warning = text.warning { lines += ["", "NOT TRUSTWORTHY: \(warning.text):", "  - \(warning.reason)"] }
        lines += ["", ComparisonText.means] + text.origin.map { $0.name.leftAligned(13) + $0.text }
        self.lines = lines
    }

    private static func row(_ cells: [String]) -> String {
        cells[0].leftAligned(12) + zip(cells.dropFirst(), [14, 14, 10, 20]).map { $0.rightAligned($1) }.joined()
    }
}
