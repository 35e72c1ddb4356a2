/// Builds a page in the Prometheus text format, version 0.0.4.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
struct PrometheusText {
    enum Kind: String {
        case counter
        case gauge
        case histogram
        case untyped
    }

    /// One line of a series: its labels and its value.
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

    /// Adds a family of one sample without labels.
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
    ///   - counts: how many fell under each bound and not under the one before it, and after them how many were beyond.
    ///   - sum: of all that was measured.
    mutating func addHistogram(_ name: String, _ help: String, bounds: [Double], counts: [Int], sum: Double) {
        begin(name, .histogram, help)
        var count = 0
        for (bound, more) in zip(bounds, counts) {
            count += more
            line("\(name)_bucket", Sample([("le", Self.written(bound))], count))
        }
        count = counts.reduce(0, +)
        line("\(name)_bucket", Sample([("le", "+Inf")], count))
        line("\(name)_sum", Sample([], sum))
        line("\(name)_count", Sample([], count))
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

    /// Whole numbers without a point, as Prometheus' own clients write them.
    private static func written(_ value: Double) -> String {
        if let whole = Int(exactly: value) { return String(whole) }
        return String(value)
    }
}
