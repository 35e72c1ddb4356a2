/// Builder of a page in the Prometheus text format, version 0.0.4.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
struct PrometheusText {
    enum Kind: String {
        case counter
        case gauge
        case histogram
        case untyped
    }

    /// One sample of a metric family: its labels and its value.
    struct Sample {
        var labels: [(name: String, value: String)]
        var value: String

        init(_ labels: [(name: String, value: String)], _ value: Int) {
            self.labels = labels
            self.value = String(value)
        }

        init(_ labels: [(name: String, value: String)], _ value: Double) {
            self.labels = labels
            self.value = PrometheusText.written(value)
        }
    }

    private(set) var text = ""

    /// Adds a metric family with one sample without labels.
    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
        add(name, kind, help, [Sample([], value)])
    }

    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        begin(name, kind, help)
        for sample in samples { line(name, sample) }
    }

    /// Adds a histogram.
    ///
    /// - Parameters:
    ///   - counts: non-cumulative counts, one for each bound and a last one for values above all bounds.
    ///   - sum: the sum of all observed values.
    mutating func addHistogram(_ name: String, _ help: String, bounds: [Double], counts: [Int], sum: Double) {
        addHistograms(name, help, bounds: bounds, [Histogram(labels: [], counts: counts, sum: sum)])
    }

    /// One histogram of a metric family; see ``addHistogram(_:_:bounds:counts:sum:)``.
    struct Histogram {
        var labels: [(name: String, value: String)]
        var counts: [Int]
        var sum: Double
    }

    /// Adds a metric family of histograms that differ in their labels.
    mutating func addHistograms(_ name: String, _ help: String, bounds: [Double], _ histograms: [Histogram]) {
        begin(name, .histogram, help)
        for histogram in histograms {
            var count = 0
            for (bound, more) in zip(bounds, histogram.counts) {
                count += more
                line("\(name)_bucket", Sample(histogram.labels + [("le", Self.written(bound))], count))
            }
            count = histogram.counts.reduce(0, +)
            line("\(name)_bucket", Sample(histogram.labels + [("le", "+Inf")], count))
            line("\(name)_sum", Sample(histogram.labels, histogram.sum))
            line("\(name)_count", Sample(histogram.labels, count))
        }
    }

    private mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    private mutating func line(_ name: String, _ sample: Sample) {
        text += name
        if !sample.labels.isEmpty {
            let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
            text += "{\(labels.joined(separator: ","))}"
        }
        text += " \(sample.value)\n"
    }

    private static func escaped(_ value: String) -> String {
        var escaped = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// Formats a number; whole numbers have no decimal point, as in Prometheus' client libraries.
    private static func written(_ value: Double) -> String {
        if let whole = Int(exactly: value) { return String(whole) }
        return String(value)
    }
}
