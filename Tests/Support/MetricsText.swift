/// A parsed page in the Prometheus text format.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
package struct MetricsText: Sendable {
    package struct Sample: Sendable, Equatable {
        package let name: String
        package let labels: [String: String]
        package let value: Double

        package init(name: String, labels: [String: String] = [:], value: Double) {
            self.name = name
            self.labels = labels
            self.value = value
        }
    }

    /// Samples in the order of the page.
    package private(set) var samples: [Sample] = []
    /// Types from `# TYPE`, by metric name.
    package private(set) var types: [String: String] = [:]
    /// Help texts from `# HELP`, by metric name.
    package private(set) var help: [String: String] = [:]
    /// Lines that do not conform to the format.
    package private(set) var strays: [String] = []

    package init(_ page: String) {
        for line in page.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3)
            if words.count == 4, words[0] == "#", words[1] == "TYPE" {
                types[String(words[2])] = String(words[3])
            } else if words.count == 4, words[0] == "#", words[1] == "HELP" {
                help[String(words[2])] = String(words[3])
            } else if let sample = Sample(line) {
                samples.append(sample)
            } else {
                strays.append(String(line))
            }
        }
    }

    /// Returns the value of the series with exactly these labels.
    package func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        samples.first { $0.name == name && $0.labels == labels }?.value
    }
}

extension MetricsText.Sample {
    /// Parses `name 1` or `name{label="value",other="value"} 1`.
    fileprivate init?(_ line: Substring) {
        guard let gap = line.lastIndex(of: " "), let value = Double(line[line.index(after: gap)...]) else { return nil }
        self.value = value
        let series = line[..<gap]
        guard let brace = series.firstIndex(of: "{") else {
            guard !series.isEmpty, !series.hasPrefix("#"), !series.contains(" ") else { return nil }
            name = String(series)
            labels = [:]
            return
        }
        guard series.last == "}" else { return nil }
        name = String(series[..<brace])
        var labels: [String: String] = [:]
        var rest = series[series.index(after: brace)...].dropLast()
        while let equals = rest.firstIndex(of: "=") {
            let label = String(rest[..<equals])
            rest = rest[rest.index(after: equals)...]
            guard rest.popFirst() == "\"" else { return nil }
            var text = ""
            while let character = rest.popFirst(), character != "\"" {
                guard character == "\\", let escaped = rest.popFirst() else {
                    text.append(character)
                    continue
                }
                text.append(escaped == "n" ? "\n" : escaped)
            }
            labels[label] = text
            if rest.first == "," { rest = rest.dropFirst() }
        }
        guard rest.isEmpty else { return nil }
        self.labels = labels
    }
}
