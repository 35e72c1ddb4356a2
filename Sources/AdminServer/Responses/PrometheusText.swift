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

    /// The labels of a sample, formatted once and used for many samples.
    struct Labels {
        /// Without braces: `a="1",b="2"`.
        fileprivate let text: String
        /// What follows other labels up to the value: `,a="1",b="2"} `.
        fileprivate let ending: String

        init(_ labels: [(name: String, value: String)]) {
            text = labels.map { "\($0.name)=\"\(PrometheusText.escaped($0.value))\"" }.joined(separator: ",")
            ending = text.isEmpty ? "} " : ",\(text)} "
        }

        static let none = Labels([])
    }

    /// One sample of a metric family: its labels and its value.
    struct Sample {
        var labels: Labels
        var value: String

        init(_ labels: [(name: String, value: String)], _ value: Int) {
            self.labels = Labels(labels)
            self.value = String(value)
        }

        init(_ labels: [(name: String, value: String)], _ value: Double) {
            self.labels = Labels(labels)
            self.value = PrometheusText.written(value)
        }
    }

    /// A value with its labels, formatted once.
    struct Labeled<Value: Sendable>: Sendable {
        let value: Value
        let labels: Labels

        init(_ value: Value, _ labels: [(name: String, value: String)]) {
            self.value = value
            self.labels = Labels(labels)
        }
    }

    private(set) var text = ""
    /// The name of the current metric family, with the opening brace.
    private var start = ""

    /// Adds a metric family with one sample without labels.
    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
        add(name, kind, help, [Sample([], value)])
    }

    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        begin(name, kind, help)
        for sample in samples {
            if sample.labels.text.isEmpty {
                text += "\(name) \(sample.value)\n"
            } else {
                line(sample.labels, .none, sample.value + "\n")
            }
        }
    }

    /// Adds a metric family with one sample for each object.
    mutating func add<Object: Sendable>(
        _ name: String,
        _ kind: Kind,
        _ help: String,
        _ objects: [Labeled<Object>],
        _ value: (Object) -> Int
    ) {
        begin(name, kind, help)
        for object in objects { addSample(object.labels, value(object.value)) }
    }

    /// Adds a metric family with one sample for each object and each key.
    mutating func add<Object: Sendable, Key: Sendable>(
        _ name: String,
        _ kind: Kind,
        _ help: String,
        _ objects: [Labeled<Object>],
        by keys: [Labeled<Key>],
        _ value: (Object, Key) -> Int
    ) {
        begin(name, kind, help)
        for object in objects {
            for key in keys { addSample(object.labels, key.labels, value(object.value, key.value)) }
        }
    }

    /// Begins a metric family whose samples have labels; ``addSample(_:_:_:)`` adds them.
    mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        start = name + "{"
    }

    /// Adds a sample to the current metric family.
    ///
    /// - Parameters:
    ///   - labels: at least one label.
    ///   - more: labels that follow them.
    mutating func addSample(_ labels: Labels, _ more: Labels, _ value: Int) {
        line(labels, more, value == 0 ? "0\n" : "\(value)\n")
    }

    mutating func addSample(_ labels: Labels, _ value: Int) {
        addSample(labels, .none, value)
    }

    mutating func addSample(_ labels: Labels, _ value: Double) {
        line(labels, .none, Self.written(value) + "\n")
    }

    /// Reserves address space for a number of lines, so that the text is not copied while it grows.
    mutating func reserve(lines: Int) { text.reserveCapacity(text.utf8.count + lines * Self.typicalLine) }

    private static let typicalLine = 110

    /// - Parameter value: with the line feed.
    private mutating func line(_ labels: Labels, _ more: Labels, _ value: String) {
        text += start
        text += labels.text
        text += more.ending
        text += value
    }

    /// Adds a histogram.
    ///
    /// - Parameters:
    ///   - counts: non-cumulative counts, one for each bound and a last one for values above all bounds.
    ///   - sum: the sum of all observed values.
    mutating func addHistogram(_ name: String, _ help: String, bounds: [Double], counts: [Int], sum: Double) {
        begin(name, .histogram, help)
        var count = 0
        for (bound, more) in zip(bounds, counts) {
            count += more
            text += "\(name)_bucket{le=\"\(Self.written(bound))\"} \(count)\n"
        }
        count = counts.reduce(0, +)
        text += "\(name)_bucket{le=\"+Inf\"} \(count)\n\(name)_sum \(Self.written(sum))\n\(name)_count \(count)\n"
    }

    /// One histogram of a metric family; see ``addHistogram(_:_:bounds:counts:sum:)``.
    struct Histogram {
        /// At least one label.
        var labels: Labels
        var counts: [Int]
        var sum: Double
    }

    /// Adds a metric family of histograms that differ in their labels.
    mutating func addHistograms(_ name: String, _ help: String, bounds: [Double], _ histograms: [Histogram]) {
        begin(name, .histogram, help)
        let limits = (bounds.map(Self.written) + ["+Inf"]).map { Labels([("le", $0)]) }
        for histogram in histograms {
            var count = 0
            start = name + "_bucket{"
            for (limit, more) in zip(limits, histogram.counts) {
                count += more
                addSample(histogram.labels, limit, count)
            }
            start = name + "_sum{"
            line(histogram.labels, .none, Self.written(histogram.sum) + "\n")
            start = name + "_count{"
            addSample(histogram.labels, count)
        }
    }

    fileprivate static func escaped(_ value: String) -> String {
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
    fileprivate static func written(_ value: Double) -> String {
        if let whole = Int(exactly: value) { return String(whole) }
        return String(value)
    }
}
