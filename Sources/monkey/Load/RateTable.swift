import LoadTester

/// The result of a rate search as text.
struct RateTable {
    let lines: [String]

    init(_ found: LoadTest.RateFinder.Result, condition: LoadTest.Assertion) {
        guard !found.tries.isEmpty else {
            lines = ["Stopped before the first rate was tested."]
            return
        }
        let header = ["rate/s", "answered/s", "p50", "p99", "max", ""]
        let rows = found.tries.map { attempt in
            let report = attempt.report
            return [
                Grouped(attempt.rate).description, Grouped(report.throughput ?? 0).description,
                ReportText.time(report.latency.p50, of: report.latency),
                ReportText.time(report.latency.p99, of: report.latency),
                ReportText.time(report.latency.max, of: report.latency),
                (attempt.isKept ? "met" : "not met") + (report.trustworthy ? "" : ", not trustworthy"),
            ]
        }
        let verdict =
            found.rate.map { "\(Grouped($0))/s is the highest tested rate that meets \(condition.text)" }
            ?? "no tested rate meets \(condition.text)"
        lines =
            ([header] + rows).map { cells in
                cells.dropLast().map { $0.rightAligned(12) }.joined() + "  " + (cells.last ?? "")
            }
            + ["", verdict + (found.wasStopped ? "; the search was stopped early" : ""), ""]
            + ReportText.origin(of: found.tries[0].report).map { $0.name.leftAligned(13) + $0.text }
    }
}
