import LoadTester

/// A report as people read it on a terminal.
struct SummaryTable {
    let lines: [String]

    init(_ report: Report) {
        var lines = [Self.heading(report), ""]
        if report.latency.count > 0 { lines += Self.latencies(report) + [""] }
        lines += Self.facts(report)
        if !report.steps.isEmpty { lines += [""] + Self.steps(report) }
        if !report.trustworthy {
            lines += ["", "NOT TRUSTWORTHY: these may be the figures of the load tester, not of the target."]
            lines += report.doubts.map { "  - \($0)" }
        }
        self.lines = lines
    }

    private static func heading(_ report: Report) -> String {
        let setup = report.setup
        let rate = setup.rate == "max" ? "as fast as it goes" : "\(setup.rate), \(setup.arrivals.rawValue) arrivals"
        let stopped = report.wasStopped ? ", stopped early" : ""
        let threads = setup.threads == 1 ? "" : ", \(setup.threads) threads"
        return "\(setup.target): \(setup.mode), \(rate), \(Grouped(setup.connections)) connections\(threads), "
            + "\(report.duration.rounded(to: 2)) s measured\(stopped)"
    }

    // MARK: Latencies

    private static func latencies(_ report: Report) -> [String] {
        let names = ["p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"]
        var rows = [("", names), ("latency", times(report.latency)), ("from send", times(report.latencyFromSend))]
        if report.connect.count > 0 { rows.append(("connect", times(report.connect))) }
        return rows.map { name, cells in
            (padded(name, 10, left: true) + cells.map { padded($0, 10) }.joined())
        }
    }

    private static func times(_ summary: LatencySummary) -> [String] {
        [summary.p50, summary.p90, summary.p99, summary.p999, summary.p9999, summary.max, summary.mean]
            .map { TimeText($0).description }
    }

    // MARK: Facts

    private static func facts(_ report: Report) -> [String] {
        var facts: [(String, String)] = []
        let traffic = report.traffic
        if ["upload", "download", "both"].contains(report.setup.mode) {
            facts.append(
                ("throughput", "up \(BitRate(traffic.upstreamPerSecond)), down \(BitRate(traffic.downstreamPerSecond))")
            )
            facts.append(("bytes", "up \(ByteCount(traffic.upstream)), down \(ByteCount(traffic.downstream))"))
        } else {
            facts.append(("requests", requests(report.exchanges)))
            facts.append(
                (
                    "throughput",
                    "\(Grouped(Int(report.throughput.rounded())))/s, up \(BitRate(traffic.upstreamPerSecond)), "
                        + "down \(BitRate(traffic.downstreamPerSecond))"
                )
            )
        }
        facts.append(("errors", errors(report.errors, other: report.otherError)))
        facts.append(("connections", connections(report)))
        facts.append(("tester", tester(report)))
        return facts.map { padded($0.0, 13, left: true) + $0.1 }
    }

    private static func requests(_ exchanges: Report.Exchanges) -> String {
        let others: [(Int, String)] = [
            (exchanges.failed, "failed"), (exchanges.unanswered, "unanswered"),
            (exchanges.unsent, "not sent by the end"),
            (exchanges.overflowed, "dropped from a full queue"),
        ]
        let parts = others.filter { $0.0 > 0 }.map { ", \(Grouped($0.0)) \($0.1)" }
        return "\(Grouped(exchanges.due)) due, \(Grouped(exchanges.answered)) answered" + parts.joined()
    }

    /// `none`, or how often each cause was met.
    static func errors(_ errors: [String: Int], other: String? = nil) -> String {
        let causes = errors.filter { $0.key != "total" && $0.value > 0 }.sorted {
            ($1.value, $0.key) < ($0.value, $1.key)
        }
        guard !causes.isEmpty else { return "no errors" }
        return causes.map { name, count in
            let why = name == "other" ? other.map { " (\($0))" } ?? "" : ""
            return "\(Grouped(count)) \(name.replacing("_", with: " "))\(why)"
        }.joined(separator: ", ")
    }

    private static func connections(_ report: Report) -> String {
        let connections = report.connections
        var text = "\(Grouped(connections.established)) established, \(Grouped(connections.lived)) alive at the end"
        if connections.closedIdle > 0 {
            text += ", \(Grouped(connections.closedIdle)) closed by the target between requests"
        }
        return text
    }

    private static func tester(_ report: Report) -> String {
        let tester = report.tester
        var parts = ["\(Int((tester.busiestThread * 100).rounded())) % of a processor"]
        if tester.processorTimePerExchange > 0 {
            parts.append(
                "\(TimeText(tester.processorTimePerExchange)) and \(tester.systemCallsPerExchange.rounded(to: 2)) system calls "
                    + "per exchange"
            )
        }
        if tester.sendLag.count > 0 { parts.append("send lag p99 \(TimeText(tester.sendLag.p99))") }
        return parts.joined(separator: ", ")
    }

    // MARK: Steps

    private static func steps(_ report: Report) -> [String] {
        var lines = [row(["offered/s", "answered/s", "p50", "p99", "max", "failed", ""])]
        for step in report.steps {
            lines.append(
                row([
                    Grouped(Int(step.offered.rounded())).description, Grouped(Int(step.answered.rounded())).description,
                    TimeText(step.latency.p50).description, TimeText(step.latency.p99).description,
                    TimeText(step.latency.max).description, "\(step.failed)", step.isBorne ? "" : "too much",
                ])
            )
        }
        let knee =
            report.knee.map { "borne up to \(Grouped(Int($0.rounded())))/s" } ?? "not even the first step was borne"
        return lines + ["", knee]
    }

    private static func row(_ cells: [String]) -> String {
        cells.map { padded($0, 12) }.joined()
    }

    static func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - text.count))
        return left ? text + blanks : blanks + text
    }
}

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
                TimeText(report.latency.max).description, attempt.isKept ? "kept" : "broken",
            ] + (report.trustworthy ? [] : ["NOT TRUSTWORTHY"])
        }
        let best = found.rate.map {
            "\(Grouped(Int($0.rounded())))/s is the highest rate that was tried and keeps \(condition.text)"
        }
        lines =
            ([header] + rows).map { $0.map { SummaryTable.padded($0, 12) }.joined() }
            + ["", best ?? "no rate that was tried keeps \(condition.text)"]
    }
}
