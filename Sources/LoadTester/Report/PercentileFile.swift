extension Report {
    /// The distribution of ``latency`` in HdrHistogram's percentile format, in milliseconds: what its plotter reads
    /// (https://hdrhistogram.github.io/HdrHistogram/plotFiles.html).
    public var percentileFile: String {
        var lines = [
            columns(["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]),
            "",
        ]
        for point in percentiles {
            let share = point.percentile / 100
            let value = (point.value * 1e3).fixed(3)
            // The last line, which is the maximum, has nothing beyond it.
            let distance = share < 1 ? (1 / (1 - share)).fixed(2) : ""
            lines.append(columns([value, share.fixed(12), "\(point.count)", distance]))
        }
        let mean = (latency.mean * 1e3).fixed(3)
        let deviation = (latency.standardDeviation * 1e3).fixed(3)
        lines.append("#[Mean    = \(padded(mean, 12)), StdDeviation   = \(padded(deviation, 12))]")
        let max = (latency.max * 1e3).fixed(3)
        lines.append("#[Max     = \(padded(max, 12)), Total count    = \(padded("\(latency.count)", 12))]")
        return lines.map { $0 + "\n" }.joined()
    }

    private func columns(_ texts: [String]) -> String {
        zip(texts, [12, 14, 10, 16]).map { padded($0, $1) }.joined(separator: " ")
    }

    private func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
