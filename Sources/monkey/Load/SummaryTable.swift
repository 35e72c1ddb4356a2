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
        let bits = "up \(BitRate(traffic.upstreamPerSecond)), down \(BitRate(traffic.downstreamPerSecond))"
        switch report.setup.mode {
        case "upload", "download", "both":
            facts.append(("throughput", bits))
            facts.append(("bytes", "up \(ByteCount(traffic.upstream)), down \(ByteCount(traffic.downstream))"))
        case "hold":
            facts.append(("requests", requests(report.exchanges)))
        default:
            facts.append(("requests", requests(report.exchanges)))
            facts.append(("throughput", "\(Grouped(Int(report.throughput.rounded())))/s, \(bits)"))
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
