/// A report as text, shared by the terminal output and the HTML page, which only do the layout.
package struct ReportText {
    private let report: LoadTest.Report

    package init(_ report: LoadTest.Report) {
        self.report = report
    }

    /// The workload without the target: `echo, 1000/s, constant arrivals, 16 connections, 10.00 s measured`.
    package var load: String {
        let setup = report.setup
        var parts = [setup.modeAndPace]
        if setup.rate != "max" { parts.append("\(setup.arrivals.rawValue) arrivals") }
        parts.append("\(Grouped(setup.connections)) connection\(setup.connections == 1 ? "" : "s")")
        if let header = setup.proxyHeader { parts.append("PROXY header \(header.rawValue)") }
        if let tls = setup.tls { parts.append(tls.resume > 0 ? "TLS, resuming \(tls.resume) %" : "TLS") }
        if setup.threads > 1 { parts.append("\(setup.threads) threads") }
        parts.append("\(report.duration.fixed(2)) s measured")
        if report.wasStopped { parts.append("stopped early") }
        return parts.joined(separator: ", ")
    }

    /// Heading of the list of doubts.
    package static let warning = "these results may reflect the load tester, not the target"

    // MARK: Tables

    /// Table of percentiles, with a header.
    package var latencies: [[String]] {
        var rows = [("latency", report.latency), ("from send", report.latencyFromSend)]
        if report.connect.count > 0 { rows.append(("connect", report.connect)) }
        if report.handshake.count > 0 { rows.append(("handshake", report.handshake)) }
        return [["", "p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"]]
            + rows.map { name, times in
                [name]
                    + [times.p50, times.p90, times.p99, times.p999, times.p9999, times.max, times.mean]
                    .map { Self.time($0, of: times) }
            }
    }

    /// Table of the steps of a ramp, with a header; empty if there was no ramp.
    package var steps: [[String]] {
        guard !report.steps.isEmpty else { return [] }
        return [["offered/s", "answered/s", "p50", "p99", "max", "failed", ""]]
            + report.steps.map { step in
                [
                    Grouped(step.offered).description, Grouped(step.answered).description,
                    Self.time(step.latency.p50, of: step.latency), Self.time(step.latency.p99, of: step.latency),
                    Self.time(step.latency.max, of: step.latency), Grouped(step.failed).description,
                    step.isSustained || step.offered == 0 ? "" : "not sustained",
                ]
            }
    }

    /// A statistic of a distribution, or `-` if nothing was measured.
    package static func time(_ seconds: Double, of summary: LoadTest.LatencySummary) -> String {
        summary.count > 0 ? TimeText(seconds).description : "-"
    }

    /// The saturation point of a ramp.
    package var saturationPoint: String {
        report.saturationPoint.map { "sustained up to \(Grouped($0))/s" } ?? "not even the first step was sustained"
    }

    // MARK: Facts

    /// The remaining lines of a report: name and text.
    package var facts: [(name: String, text: String)] {
        var facts: [(name: String, text: String)] = []
        let traffic = report.traffic
        let bits = "up \(BitRate(traffic.upstreamPerSecond)), down \(BitRate(traffic.downstreamPerSecond))"
        if report.setup.isBulk {
            facts.append(("throughput", bits))
            facts.append(("bytes", "up \(Grouped(traffic.upstream)), down \(Grouped(traffic.downstream))"))
        } else {
            facts.append((report.setup.mode == "handshake" ? "handshakes" : "requests", requests))
            if let throughput = report.throughput {
                facts.append(("throughput", "\(Grouped(throughput))/s, \(bits)"))
            }
        }
        if let tls = report.tls { facts.append(("tls", tls.summary)) }
        facts.append(("errors", Self.errors(of: report)))
        facts.append(("connections", connections))
        facts.append(("tester", tester))
        return facts + Self.origin(of: report)
    }

    /// Where, when and how a report was made: name and text.
    package static func origin(of report: LoadTest.Report) -> [(name: String, text: String)] {
        let environment = report.environment
        return [("run", environment.summary)] + (environment.commandLine.map { [("command", $0)] } ?? [])
    }

    private var requests: String {
        let exchanges = report.exchanges
        let others: [(Int, String)] = [
            (exchanges.failed, "failed"), (exchanges.unanswered, "unanswered"),
            (exchanges.unsent, "not sent before the end"),
            (exchanges.overflowed, "dropped because the queue was full"),
        ]
        let parts = others.filter { $0.0 > 0 }.map { ", \(Grouped($0.0)) \($0.1)" }
        return "\(Grouped(exchanges.due)) due, \(Grouped(exchanges.answered)) answered" + parts.joined()
    }

    /// Returns `no errors`, or the number of errors by cause.
    ///
    /// - Parameters:
    ///   - errors: as in a report.
    ///   - other: description of the last error counted as `other`.
    ///   - tls: causes of the errors counted as `tls`.
    package static func errors(
        _ errors: [String: Int],
        other: String? = nil,
        tls: [LoadTest.FailureCounts.TLSCause] = []
    ) -> String {
        let causes = errors.filter { $0.key != "total" && $0.value > 0 }.sorted {
            ($1.value, $0.key) < ($0.value, $1.key)
        }
        guard !causes.isEmpty else { return "no errors" }
        return causes.map { name, count in
            let why =
                switch name {
                case LoadTest.FailureCause.other.name: other.map { " (\($0))" } ?? ""
                case LoadTest.FailureCause.tls.name where !tls.isEmpty: " (\(words(tls)))"
                default: ""
                }
            return "\(Grouped(count)) \(name.replacing("_", with: " "))\(why)"
        }.joined(separator: ", ")
    }

    /// The number of errors of a report by cause.
    package static func errors(of report: LoadTest.Report) -> String {
        errors(report.errors, other: report.otherError, tls: report.tls?.failures ?? [])
    }

    static func errors(_ failures: LoadTest.FailureCounts) -> String {
        errors(failures.byName, other: failures.otherError?.description, tls: failures.tlsCauses)
    }

    /// The causes of TLS failures, with their numbers if there are several.
    private static func words(_ causes: [LoadTest.FailureCounts.TLSCause]) -> String {
        guard causes.count > 1 else { return causes[0].cause }
        return causes.map { "\(Grouped($0.count)) \($0.cause)" }.joined(separator: "; ")
    }

    private var connections: String {
        let connections = report.connections
        var text = "\(Grouped(connections.established)) established, \(Grouped(connections.lived)) open at the end"
        if connections.closedIdle > 0 {
            text += ", \(Grouped(connections.closedIdle)) closed by the target between requests"
        }
        return text
    }

    private var tester: String {
        let tester = report.tester
        var parts = ["\((tester.busiestThread * 100).fixed(0)) % of a processor"]
        if let time = tester.processorTimePerExchange, let calls = tester.systemCallsPerExchange {
            parts.append("\(TimeText(time)) and \(calls.fixed(2)) system calls per exchange")
        }
        if tester.sendLag.count > 0 { parts.append("send lag p99 \(TimeText(tester.sendLag.p99))") }
        return parts.joined(separator: ", ")
    }
}

extension LoadTest.Report.Setup {
    /// The mode and the rate: `echo, 1000/s`; only the mode if it has no rate.
    package var modeAndPace: String {
        if isBulk || isHold { return mode }
        return "\(mode), \(rate == "max" ? "closed loop" : rate)"
    }

    var isBulk: Bool { LoadTest.Bulk.Direction(rawValue: mode) != nil }

    var isHold: Bool { mode == "hold" }
}
