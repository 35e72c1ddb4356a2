import Glibc

extension LoadTest.ComparisonReport {
    /// A self-contained page with the ratios, their intervals and all rounds: no network access and no JavaScript.
    public var html: String {
        guard let text = ComparisonText(self) else {
            return HTMLPage.document(
                title: "Comparison",
                "<p>Stopped before the first round was complete.</p>",
                data: json()
            )
        }
        let title = "\(text.targets.first) and \(text.targets.second)"
        return HTMLPage.document(title: title, ComparisonPage(self, text).body, data: json())
    }
}

/// The parts of a comparison's page.
private struct ComparisonPage {
    private let comparison: LoadTest.ComparisonReport
    private let text: ComparisonText

    init(_ comparison: LoadTest.ComparisonReport, _ text: ComparisonText) {
        (self.comparison, self.text) = (comparison, text)
    }

    var body: String {
        let (first, second) = text.targets
        var parts = [
            "<h1>A: \(HTMLPage.escaped(first))<br>B: \(HTMLPage.escaped(second))</h1>",
            "<p>\(HTMLPage.escaped(text.load))</p>",
        ]
        if let warning = text.warning {
            let reason = HTMLPage.escaped("\(warning.text): \(warning.reason)")
            parts.append("<section class=\"warnings\"><strong>Not trustworthy:</strong> \(reason).</section>")
        }
        parts += [
            HTMLPage.table(text.ratios),
            "<p>\(ComparisonText.means) An interval that includes 1 shows no difference.</p>",
            intervals, HTMLPage.table(text.rounds),
            HTMLPage.table(
                [["", "details"], ["errors", text.errors]] + text.origin.map { [$0.name, $0.text] },
                isText: true
            ),
        ]
        return parts.joined(separator: "\n")
    }

    // MARK: Plot of the intervals

    private static let (width, labels, rowHeight) = (900.0, 130.0, 30.0)

    /// Each ratio as a point on a logarithmic scale, with its interval as a line; empty without intervals.
    private var intervals: String {
        let shown = comparison.ratios.compactMap {
            ratio -> (name: String, low: Double, middle: Double, high: Double)? in
            guard let low = ratio.low, let middle = ratio.ratio, let high = ratio.high else { return nil }
            return (ratio.metric, low, middle, high)
        }
        guard !shown.isEmpty else { return "" }
        // From half to double, or as far as a ratio itself is; a longer interval ends at the edge.
        let farthest = shown.reduce(2.0) { max($0, $1.middle, 1 / $1.middle) } * 1.1
        func place(_ ratio: Double) -> Double {
            let position = (log2(min(max(ratio, 1 / farthest), farthest)) / log2(farthest) + 1) / 2
            return Self.labels + position * (Self.width - Self.labels - 20)
        }
        let height = Double(shown.count + 1) * Self.rowHeight
        var shapes = [0.5, 1, 2].map { mark in
            let x = place(mark).fixed(1)
            return "<line class=\"grid\" x1=\"\(x)\" x2=\"\(x)\" y1=\"0\" y2=\"\((height - 20).fixed(1))\"/>"
                + "<text x=\"\(x)\" y=\"\((height - 4).fixed(1))\" text-anchor=\"middle\">\(mark.short)</text>"
        }
        for (index, row) in shown.enumerated() {
            let y = ((Double(index) + 0.5) * Self.rowHeight).fixed(1)
            shapes.append(
                "<text x=\"0\" y=\"\(y)\" dy=\"4\">\(row.name)</text>"
                    + "<line stroke=\"var(--a)\" stroke-width=\"2\" x1=\"\(place(row.low).fixed(1))\" "
                    + "x2=\"\(place(row.high).fixed(1))\" y1=\"\(y)\" y2=\"\(y)\"/>"
                    + "<circle fill=\"var(--a)\" r=\"4\" cx=\"\(place(row.middle).fixed(1))\" cy=\"\(y)\"/>"
            )
        }
        return "<figure><figcaption>B / A with its 95 % interval</figcaption>"
            + "<svg viewBox=\"0 0 \(Self.width.fixed(0)) \(height.fixed(0))\" role=\"img\">\(shapes.joined())</svg></figure>"
    }
}
