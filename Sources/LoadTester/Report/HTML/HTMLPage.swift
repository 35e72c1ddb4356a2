extension LoadTest.Report {
    /// A self-contained page with tables and plots: no network access; without JavaScript it still shows the tables.
    public var html: String {
        let script = "<script>\(HTMLPage.script)</script>"
        return HTMLPage.document(title: "Load on \(setup.target)", HTMLPage(self).body, data: json(), script: script)
    }
}

/// The parts of a report's page.
struct HTMLPage {
    private let report: LoadTest.Report
    private let text: ReportText

    init(_ report: LoadTest.Report) {
        self.report = report
        text = ReportText(report)
    }

    /// Returns a page.
    ///
    /// - Parameters:
    ///   - body: HTML.
    ///   - data: the report as JSON, in which `<` is escaped so that it cannot close the script element.
    ///   - script: HTML below it.
    static func document(title: String, _ body: String, data: [UInt8], script: String = "") -> String {
        let data = String(decoding: data, as: UTF8.self).replacing("<", with: "\\u003c")
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(escaped(title))</title>
            <style>\(style)</style>
            </head>
            <body>
            <main>
            \(body)
            </main>
            <script type="application/json" id="report">\(data)</script>
            \(script)
            </body>
            </html>

            """
    }

    var body: String {
        var parts = [heading]
        if !report.trustworthy { parts.append(warnings) }
        if let hint = report.hint { parts.append("<section class=\"warnings\">\(Self.escaped(hint))</section>") }
        parts.append(figures)
        if report.latency.count > 0 {
            parts.append(latencies)
            parts.append(plot("percentiles", "Latency by percentile"))
        }
        // Held connections are idle during the measured time, so there is nothing to plot.
        if !report.setup.isHold {
            parts.append(plot("latency", "Latency over time"))
            parts.append(plot("throughput", "Throughput over time"))
        }
        if !report.steps.isEmpty { parts.append(plot("steps", "Latency by rate") + steps) }
        parts.append(details)
        return parts.joined(separator: "\n")
    }

    // MARK: Sections

    private var heading: String {
        "<h1>\(Self.escaped(report.setup.target))</h1>\n<p>\(Self.escaped(text.load))</p>"
    }

    private var warnings: String {
        let items = report.warnings.map { "<li>\(Self.escaped($0))</li>" }.joined()
        return """
            <section class="warnings"><strong>Not trustworthy:</strong> \(ReportText.warning).<ul>\(items)</ul></section>
            """
    }

    private var figures: String {
        var figures: [(String, String)] = []
        if report.setup.isBulk {
            figures.append(("upstream", BitRate(report.traffic.upstreamPerSecond).description))
            figures.append(("downstream", BitRate(report.traffic.downstreamPerSecond).description))
        } else if report.setup.isHold {
            figures.append(("connections open at the end", Grouped(report.connections.lived).description))
        } else if let throughput = report.throughput {
            let unit = report.setup.mode == "handshake" ? "handshakes per second" : "exchanges per second"
            figures.append((unit, Grouped(throughput).description))
        }
        if report.latency.count > 0 {
            figures.append(("median latency", TimeText(report.latency.p50).description))
            figures.append(("99th percentile", TimeText(report.latency.p99).description))
            figures.append(("maximum", TimeText(report.latency.max).description))
        }
        figures.append(("errors", Grouped(report.errors["total"] ?? 0).description))
        let cards = figures.map { "<div><b>\($0.1)</b><span>\($0.0)</span></div>" }.joined()
        return "<section class=\"figures\">\(cards)</section>"
    }

    private var latencies: String {
        Self.table(text.latencies)
            + "<p>Latency is measured from when a request was due; “from send” from when it was sent.</p>"
    }

    private var steps: String {
        "<p>\(text.saturationPoint.prefix(1).uppercased() + text.saturationPoint.dropFirst()).</p>"
            + Self.table(text.steps)
    }

    private var details: String {
        Self.table([["", "details"]] + text.facts.map { [$0.name, $0.text] }, isText: true)
    }

    private func plot(_ name: String, _ title: String) -> String {
        "<figure id=\"\(name)\"><figcaption>\(title)</figcaption></figure>"
    }

    // MARK: Text

    static func table(_ rows: [[String]], isText: Bool = false) -> String {
        let lines = rows.enumerated().map { index, row in
            let tag = index == 0 ? "th" : "td"
            return "<tr>" + row.map { "<\(tag)>\(escaped($0))</\(tag)>" }.joined() + "</tr>"
        }
        return "<div class=\"wide\"><table\(isText ? " class=\"text\"" : "")>\(lines.joined())</table></div>"
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}
