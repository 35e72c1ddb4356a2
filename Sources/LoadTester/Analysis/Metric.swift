/// A metric of a report that a condition can refer to.
enum Metric: Sendable, Hashable {
    /// A statistic of a distribution; the raw values are the names in conditions.
    case time(Distribution, Statistic)
    case count(Figure)
    case errors(LoadTest.FailureCause)

    enum Distribution: String, Sendable, CaseIterable {
        case latency
        case send
        case connect
        case handshake
        case lag
    }

    enum Statistic: String, Sendable, CaseIterable {
        case min, mean, p50, p75, p90, p95, p99, p999, p9999, max
    }

    enum Figure: String, Sendable, CaseIterable {
        case errors, due, answered, failed, unanswered, unsent, overflowed, throughput, upload, download, lived
        case fullHandshakes = "full-handshakes"
        case resumedHandshakes = "resumed-handshakes"
    }

    /// - Parameter name: such as `p99`, `send.p99`, `errors`, `errors.reset` or `throughput`.
    init?(named name: String) {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        // Common spellings with a decimal point.
        let digits = ["p99.9": "p999", "p99.99": "p9999"]
        if let statistic = Statistic(rawValue: digits[name] ?? name) {
            self = .time(.latency, statistic)
        } else if let figure = Figure(rawValue: name) {
            self = .count(figure)
        } else if parts.count == 2, let distribution = Distribution(rawValue: parts[0]),
            let statistic = Statistic(rawValue: digits[parts[1]] ?? parts[1])
        {
            self = .time(distribution, statistic)
        } else if parts.count == 2, parts[0] == "errors",
            let cause = LoadTest.FailureCause.allCases.first(where: { $0.name == parts[1] })
        {
            self = .errors(cause)
        } else {
            return nil
        }
    }

    static var names: String {
        let times = Statistic.allCases.map(\.rawValue).joined(separator: ", ")
        let figures = Figure.allCases.map(\.rawValue).joined(separator: ", ")
        return
            "\(times) (also send.p99, connect.p99, handshake.p99, lag.p99 and so on), \(figures), errors.reset and so on"
    }

    var isTime: Bool {
        if case .time = self { true } else { false }
    }

    /// Returns why the metric is not measured with a configuration, and which are; nil if it is measured.
    func absence(in configuration: LoadTest.Configuration) -> String? {
        switch self {
        case .time(.handshake, _), .count(.fullHandshakes), .count(.resumedHandshakes):
            return configuration.tls == nil ? "there are no handshakes without TLS: add --tls" : nil
        default: break
        }
        if case .bulk = configuration.mode {
            switch self {
            case .time(.connect, _), .errors, .count(.errors), .count(.upload), .count(.download), .count(.lived):
                return nil
            case .time, .count:
                return "this mode has no requests: use upload, download, connect.p99, lived or errors"
            }
        }
        switch self {
        case .count(.throughput) where configuration.isUnpaced:
            return "connections are idle in this mode: use lived, answered, p99, connect.p99 or errors"
        case .time(.lag, _) where configuration.isUnpaced || configuration.pace == .closedLoop:
            return "there is no send lag without a rate: use p99, or a rate"
        default: return nil
        }
    }

    /// Returns the metric's value; nil if nothing was measured, since a missing time must not count as a short one, nor
    /// a missing rate as a low one.
    func value(in report: LoadTest.Report) -> Double? {
        switch self {
        case .time(let distribution, let statistic):
            let summary = report[distribution]
            return summary.count > 0 ? summary[statistic] : nil
        case .count(.throughput): return report.throughput
        case .count(.upload), .count(.download):
            guard report.duration > 0, case .count(let figure) = self else { return nil }
            return report[figure]
        case .count(let figure): return report[figure]
        case .errors(let cause): return Double(report.errors[cause.name] ?? 0)
        }
    }
}

extension LoadTest.Report {
    subscript(distribution: Metric.Distribution) -> LoadTest.LatencySummary {
        switch distribution {
        case .latency: latency
        case .send: latencyFromSend
        case .connect: connect
        case .handshake: handshake
        case .lag: tester.sendLag
        }
    }

    subscript(figure: Metric.Figure) -> Double {
        switch figure {
        case .errors: Double(errors["total"] ?? 0)
        case .due: Double(exchanges.due)
        case .answered: Double(exchanges.answered)
        case .failed: Double(exchanges.failed)
        case .unanswered: Double(exchanges.unanswered)
        case .unsent: Double(exchanges.unsent)
        case .overflowed: Double(exchanges.overflowed)
        case .throughput: throughput ?? 0
        case .upload: traffic.upstreamPerSecond
        case .download: traffic.downstreamPerSecond
        case .lived: Double(connections.lived)
        case .fullHandshakes: Double(tls?.full ?? 0)
        case .resumedHandshakes: Double(tls?.resumed ?? 0)
        }
    }
}

extension LoadTest.LatencySummary {
    subscript(statistic: Metric.Statistic) -> Double {
        switch statistic {
        case .min: min
        case .mean: mean
        case .p50: p50
        case .p75: p75
        case .p90: p90
        case .p95: p95
        case .p99: p99
        case .p999: p999
        case .p9999: p9999
        case .max: max
        }
    }
}
