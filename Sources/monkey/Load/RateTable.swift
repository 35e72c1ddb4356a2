import LoadTester

/// The search for a rate, as people read it.
struct RateTable {
    let lines: [String]

    init(_ found: RateFinder.Result, condition: Assertion) {
        let header = ["rate/s", "answered/s", "p50", "p99", "max", ""]
        let rows = found.tries.map { attempt in
            let report = attempt.report
            return [
                Grouped(Int(attempt.rate.rounded())).description, Grouped(Int(report.throughput.rounded())).description,
                TimeText(report.latency.p50).description, TimeText(report.latency.p99).description,
                TimeText(report.latency.max).description,
                (attempt.isKept ? "kept" : "broken") + (report.trustworthy ? "" : ", not trustworthy"),
            ]
        }
        let best = found.rate.map {
            "\(Grouped(Int($0.rounded())))/s is the highest rate that was tried and keeps \(condition.text)"
        }
        lines =
            ([header] + rows).map { cells in
                cells.dropLast().map { SummaryTable.padded($0, 12) }.joined() + "  " + (cells.last ?? "")
            }
            + ["", best ?? "no rate that was tried keeps \(condition.text)"]
    }
}
