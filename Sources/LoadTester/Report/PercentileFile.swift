extension LoadTest.Report {
    /// The distribution of ``latency`` in HdrHistogram's percentile format, in milliseconds, as read by its plotter
    /// (https://hdrhistogram.github.io/HdrHistogram/plotFiles.html).
    public var percentileFile: String {
        var lines = [
            columns(["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]),
            "",
        ]
        for point in percentiles {
            let share = point.percentile / 100
            let value = (point.value * 1e3).fixed(3)
            // The last line is the maximum, at percentile 100, where 1/(1-percentile) is infinite.
            let distance = share < 1 ? (1 / (1 - share)).fixed(2) : ""
            lines.append(columns([value, share.fixed(12), "\(point.count)", distance]))
        }
        let mean = (latency.mean * 1e3).fixed(3)
        let deviation = (latency.standardDeviation * 1e3).fixed(3)
        lines.append("#[Mean    = \(mean.rightAligned(12)), StdDeviation   = \(deviation.rightAligned(12))]")
        let max = (latency.max * 1e3).fixed(3)
        lines.append("#[Max     = \(max.rightAligned(12)), Total count    = \("\(latency.count)".rightAligned(12))]")
        return lines.map { $0 + "\n" }.joined()
    }

    private func columns(_ texts: [String]) -> String {
        zip(texts, [12, 14, 10, 16]).map { $0.rightAligned($1) }.joined(separator: " ")
    }
}
