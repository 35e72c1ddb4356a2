extension Report {
    /// A page with tables and plots that needs nothing but itself: no network, and without scripts it still has the tables.
    public var html: String {
        let page = HTMLPage(self)
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(HTMLPage.escaped("Load on \(setup.target)"))</title>
            <style>\(HTMLPage.style)</style>
            </head>
            <body>
            <main>
            \(page.body)
            </main>
            <script type="application/json" id="report">\(page.data)</script>
            <script>\(HTMLPage.script)</script>
            </body>
            </html>

            """
    }
}

/// The parts of a report's page.
struct HTMLPage {
    private let report: Report

    init(_ report: Report) {
        self.report = report
    }

    /// The report as JSON, in which nothing can end the element that it stands in.
    var data: String {
        String(decoding: report.json(), as: UTF8.self).replacing("<", with: "\\u003c")
    }

    var body: String {
        var parts = [heading]
        if !report.trustworthy { parts.append(doubts) }
        parts.append(figures)
        if report.latency.count > 0 {
            parts.append(latencies)
            parts.append(plot("percentiles", "Latency by percentile"))
        }
        parts.append(plot("latency", "Latency over time"))
        parts.append(plot("throughput", "Throughput over time"))
        if !report.steps.isEmpty { parts.append(plot("steps", "Latency by rate") + steps) }
        parts.append(details)
        return parts.joined(separator: "\n")
    }

    // MARK: Sections

    private var heading: String {
        let setup = report.setup
        let rate = setup.rate == "max" ? "as fast as it goes" : "\(setup.rate), \(setup.arrivals.rawValue) arrivals"
        let stopped = report.wasStopped ? ", stopped early" : ""
        return """
            <h1>\(Self.escaped(setup.target))</h1>
            <p>\(setup.mode), \(Self.escaped(rate)), \(setup.connections) connections, \(setup.threads) \
            thread\(setup.threads == 1 ? "" : "s"), \(report.duration.fixed(2)) s measured\(stopped)</p>
            """
    }

    private var doubts: String {
        let items = report.doubts.map { "<li>\(Self.escaped($0))</li>" }.joined()
        return """
            <section class="doubts"><strong>Not trustworthy:</strong> these may be the figures of the load tester, not of \
            the target.<ul>\(items)</ul></section>
            """
    }

    private var figures: String {
        var figures: [(String, String)] = []
        if report.exchanges.due > 0 {
            figures.append(("exchanges per second", report.throughput.fixed(report.throughput < 100 ? 1 : 0)))
        } else {
            figures.append(("upstream, Gbit/s", (report.traffic.upstreamPerSecond * 8e-9).fixed(2)))
            figures.append(("downstream, Gbit/s", (report.traffic.downstreamPerSecond * 8e-9).fixed(2)))
        }
        if report.latency.count > 0 {
            figures.append(("median latency", TimeText(report.latency.p50).description))
            figures.append(("99th percentile", TimeText(report.latency.p99).description))
            figures.append(("longest", TimeText(report.latency.max).description))
        }
        figures.append(("errors", "\(report.errors["total"] ?? 0)"))
        let cards = figures.map { "<div><b>\($0.1)</b><span>\($0.0)</span></div>" }.joined()
        return "<section class=\"figures\">\(cards)</section>"
    }

    private var latencies: String {
        var rows = [("latency", report.latency), ("from send", report.latencyFromSend)]
        if report.connect.count > 0 { rows.append(("connect", report.connect)) }
        let names = ["", "p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"]
        let cells = rows.map { name, times in
            [name]
                + [times.p50, times.p90, times.p99, times.p999, times.p9999, times.max, times.mean]
                .map { TimeText($0).description }
        }
        return Self.table([names] + cells)
            + "<p>Latency counts from the moment a request was due, from send from the moment it was sent.</p>"
    }

    private var steps: String {
        let header = ["offered/s", "answered/s", "p50", "p99", "max", "failed", ""]
        let rows = report.steps.map { step in
            [
                step.offered.fixed(0), step.answered.fixed(0), TimeText(step.latency.p50).description,
                TimeText(step.latency.p99).description, TimeText(step.latency.max).description, "\(step.failed)",
                step.isBorne ? "" : "too much",
            ]
        }
        return Self.table([header] + rows)
    }

    private var details: String {
        let exchanges = report.exchanges
        let tester = report.tester
        let errors = report.errors.filter { $0.key != "total" && $0.value > 0 }.sorted { $0.key < $1.key }
        let rows: [[String]] = [
            [
                "requests",
                "\(exchanges.due) due, \(exchanges.answered) answered, \(exchanges.failed) failed, "
                    + "\(exchanges.unanswered) unanswered, \(exchanges.unsent) unsent, \(exchanges.overflowed) overflowed",
            ],
            ["errors", errors.isEmpty ? "none" : errors.map { "\($0.value) \($0.key)" }.joined(separator: ", ")],
            [
                "connections",
                "\(report.connections.established) established, \(report.connections.lived) alive at the end",
            ],
            [
                "load tester",
                "\((tester.busiestThread * 100).fixed(0)) % of a processor, \(tester.systemCallsPerExchange.fixed(2)) system "
                    + "calls per exchange, send lag p99 \(TimeText(tester.sendLag.p99))",
            ],
        ]
        return Self.table([["", "details"]] + rows, isText: true)
    }

    private func plot(_ name: String, _ title: String) -> String {
        "<figure id=\"\(name)\"><figcaption>\(title)</figcaption></figure>"
    }

    // MARK: Text

    private static func table(_ rows: [[String]], isText: Bool = false) -> String {
        let lines = rows.enumerated().map { index, row in
            let tag = index == 0 ? "th" : "td"
            return "<tr>" + row.map { "<\(tag)>\(escaped($0))</\(tag)>" }.joined() + "</tr>"
        }
        return "<table\(isText ? " class=\"text\"" : "")>\(lines.joined())</table>"
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}
