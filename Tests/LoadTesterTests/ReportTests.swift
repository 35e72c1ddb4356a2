import Foundation
import Histogram
import Sockets
import Testing

@testable import LoadTester

extension LoadTest.Report {
    /// The report of a run of ten seconds with a thousand requests, whose latencies were 1 to 1,000 ms.
    static let example: LoadTest.Report = {
        var histogram = LatencyHistogram.forLatency()
        for milliseconds in 1...1000 { histogram.record(UInt64(milliseconds) * 1_000_000) }
        let latency = LoadTest.LatencySummary(histogram)
        return LoadTest.Report(
            setup: Setup(
                target: "unix:/tmp/<a>&\"b\"",
                mode: "echo",
                rate: "100/s",
                arrivals: .constant,
                connections: 4,
                threads: 1,
                size: 64,
                duration: 10,
                warmUp: 0,
                seed: 1
            ),
            duration: 10,
            wasStopped: false,
            exchanges: Exchanges(
                due: 1000,
                answered: 1000,
                failed: 0,
                unanswered: 0,
                unsent: 0,
                overflowed: 0,
                startedTotal: 1000,
                answeredTotal: 1000,
                maxQueueLength: 0
            ),
            throughput: 100,
            traffic: Traffic(
                upstream: 64_000,
                downstream: 64_000,
                upstreamPerSecond: 6400,
                downstreamPerSecond: 6400,
                upstreamTotal: 64_000,
                downstreamTotal: 64_000
            ),
            latency: latency,
            latencyFromSend: latency,
            connect: LoadTest.LatencySummary(),
            percentiles: histogram.curve,
            percentilesFromSend: histogram.curve,
            errors: LoadTest.FailureCounts().byName,
            otherError: nil,
            connections: Connections(established: 4, lived: 4, closedIdle: 0),
            tester: Tester(
                processorTime: 0.1,
                userTime: 0.05,
                systemTime: 0.05,
                busiestThread: 0.01,
                processorTimePerExchange: 1e-4,
                systemCalls: 3000,
                systemCallsPerExchange: 3,
                sendLag: LoadTest.LatencySummary()
            ),
            trustworthy: true,
            warnings: [],
            timeline: [
                TimelinePoint(
                    time: 0.1,
                    seconds: 0.1,
                    throughput: 100,
                    p50: 0.5,
                    p99: 0.99,
                    max: 1,
                    errors: 0,
                    upstreamPerSecond: 6400,
                    downstreamPerSecond: 6400
                )
            ],
            steps: [],
            saturationPoint: nil
        )
    }()
}

@Suite("Report")
struct ReportTests {
    @Test("Percentiles are exact to a thousandth, and agree with the histogram's own")
    func percentiles() {
        let latency = LoadTest.Report.example.latency
        for (value, expected) in [
            (latency.min, 0.001), (latency.p50, 0.5), (latency.p75, 0.75), (latency.p90, 0.9), (latency.p95, 0.95),
            (latency.p99, 0.99), (latency.p999, 0.999), (latency.p9999, 1.0), (latency.max, 1.0),
            (latency.mean, 0.5005),
            (latency.standardDeviation, 0.288675),
        ] {
            #expect(abs(value - expected) <= expected / 1000, "\(value) \(expected)")
        }
        var random = SystemRandomNumberGenerator()
        var histogram = LatencyHistogram.forLatency()
        for _ in 0..<10_000 { histogram.record(UInt64.random(in: 0...3_600_000_000_000, using: &random)) }
        let summary = LoadTest.LatencySummary(histogram)
        #expect(summary.p50 == Double(histogram.valueAtPercentile(50)) / 1e9)
        #expect(summary.p99 == Double(histogram.valueAtPercentile(99)) / 1e9)
        #expect(summary.p9999 == Double(histogram.valueAtPercentile(99.99)) / 1e9)
    }

    @Test("An empty measurement is all zeros, without division by zero")
    func empty() {
        #expect(LoadTest.LatencySummary(LatencyHistogram.forLatency()) == LoadTest.LatencySummary())
        #expect(LatencyHistogram.forLatency().curve.isEmpty)
    }

    @Test("A time longer than an hour counts as an hour")
    func longest() {
        var histogram = LatencyHistogram.forLatency()
        histogram.record(.init(nanoseconds: 0), .init(nanoseconds: .max))
        #expect(histogram.totalCount == 1)
        #expect(LoadTest.LatencySummary(histogram).max == 3600)
    }

    @Test("JSON has the documented members and round-trips")
    func json() throws {
        let report = LoadTest.Report.example
        let json = report.json()
        #expect(try LoadTest.Report(json: json) == report)
        let object = try #require(JSONSerialization.jsonObject(with: Data(json)) as? [String: Any])
        let latency = try #require(object["latency"] as? [String: Any])
        for key in ["p50", "p90", "p99", "p999", "max"] { #expect(latency[key] as? Double != nil, "\(key)") }
        #expect(
            Set(object.keys) == [
                "setup", "environment", "duration", "was_stopped", "exchanges", "throughput", "traffic", "latency",
                "latency_from_send",
                "connect", "handshake", "percentiles", "percentiles_from_send", "errors", "connections", "tester",
                "trustworthy",
                "warnings",
                "timeline", "steps", "saturation_point",
            ]
        )
        let errors = try #require(object["errors"] as? [String: Int])
        #expect(
            Set(errors.keys) == [
                "refused", "reset", "timeout", "mismatch", "closed_early", "exhausted", "unanswered", "tls", "other",
                "total",
            ]
        )
    }

    /// A report in which nothing was measured.
    private static var empty: LoadTest.Report {
        var report = LoadTest.Report.example
        report.latency = LoadTest.LatencySummary()
        report.throughput = nil
        report.tester.processorTimePerExchange = nil
        report.tester.systemCallsPerExchange = nil
        (report.timeline[0].p50, report.timeline[0].p99, report.timeline[0].max) = (nil, nil, nil)
        return report
    }

    @Test("A statistic of nothing is null in JSON, empty in CSV and a dash in text")
    func nothing() throws {
        let report = Self.empty
        #expect(try LoadTest.Report(json: report.json()) == report)
        let object = try #require(JSONSerialization.jsonObject(with: Data(report.json())) as? [String: Any])
        #expect(object["throughput"] is NSNull)
        #expect(object["saturation_point"] is NSNull)
        let latency = try #require(object["latency"] as? [String: Any])
        #expect(latency["count"] as? Int == 0)
        #expect(latency.count == 12)
        #expect(latency.filter { $0.key != "count" }.allSatisfy { $0.value is NSNull })
        let point = try #require((object["timeline"] as? [[String: Any]])?.first)
        for key in ["p50", "p99", "max"] { #expect(point[key] is NSNull, "\(key)") }
        let tester = try #require(object["tester"] as? [String: Any])
        #expect(tester["processor_time_per_exchange"] is NSNull)
        #expect(tester["system_calls_per_exchange"] is NSNull)
        #expect(report.csv.hasSuffix("0.1,0.1,100.0,,,,0,6400.0,6400.0,0.0\r\n"))
        #expect(ReportText(report).latencies[1].dropFirst().allSatisfy { $0 == "-" })
    }

    @Test("No condition on a statistic of nothing is met", arguments: ["<", "<=", ">", ">=", "==", "!="])
    func conditionsOnNothing(sign: String) throws {
        var report = Self.empty
        report.duration = 0
        for metric in ["p99", "max", "lag.p50", "connect.mean", "throughput", "upload", "download"] {
            let bound = ["throughput", "upload", "download"].contains(metric) ? "1" : "1s"
            let verdict = try LoadTest.Assertion(parsing: "\(metric)\(sign)\(bound)").verdict(on: report)
            #expect(!verdict.isKept, "\(verdict)")
            #expect(verdict.found == "nothing was measured")
        }
    }

    @Test("A report states when, where and with which command it was made")
    func origin() throws {
        var report = LoadTest.Report.example
        report.environment.started = "2026-01-31T09:05:03.250Z"
        report.environment.host = "bench"
        report.environment.kernel = "Linux 6.1"
        report.environment.processors = 2
        report.environment.setCommandLine(["monkey", "load", ":1", "--assert", "p99<5ms", "it's"])
        let facts = ReportText(report).facts.suffix(2)
        #expect(facts.map(\.name) == ["run", "command"])
        #expect(facts.first?.text == "2026-01-31T09:05:03.250Z on bench, Linux 6.1, 2 processors")
        #expect(facts.last?.text == "monkey load :1 --assert 'p99<5ms' 'it'\\''s'")
        #expect(report.html.contains("on bench, Linux 6.1, 2 processors"))
        let own = LoadTest.Report.Environment()
        #expect(own.kernel.hasPrefix("Linux "))
        #expect(!own.host.isEmpty && own.processors > 0 && own.commandLine == nil)
    }

    @Test(
        "If nothing succeeded, the likely cause is given",
        arguments: [
            ("echo", "mismatch", "does not echo: use --script"), ("connect", "mismatch", "does not echo"),
            ("hold", "mismatch", "does not echo"), ("echo", "timeout", "may not echo"),
            ("echo", "closed_early", "may not echo"), ("echo", "unanswered", "may not echo"),
            ("request", "mismatch", "exact number"), ("request", "unanswered", "not be larger"),
            ("script", "mismatch", "expect lines"), ("echo", "refused", nil),
            ("echo", "tls", "check --tls-ca"),
        ] as [(String, String, String?)]
    )
    func hints(mode: String, cause: String, text: String?) {
        var report = LoadTest.Report.example
        report.setup.mode = mode
        #expect(!report.nothingSucceeded)
        #expect(Outcome.hint(about: report) == nil)
        report.exchanges.answered = 0
        report.errors[cause] = 1000
        report.errors["total"] = 1000
        #expect(report.nothingSucceeded)
        #expect(Outcome.hint(about: report)?.contains(text ?? "") ?? (text == nil))
    }

    @Test("A run that was stopped before it measured anything has not failed")
    func stoppedEarly() {
        var report = Self.empty
        report.exchanges.answered = 0
        report.duration = 0
        #expect(!report.nothingSucceeded)
    }

    @Test("CSV has a header and a line for each interval")
    func csv() {
        let lines = LoadTest.Report.example.csv.split(separator: "\r\n")
        #expect(lines.count == 2)
        #expect(lines[0].split(separator: ",").count == lines[1].split(separator: ",").count)
        #expect(lines[1] == "0.1,0.1,100.0,0.5,0.99,1.0,0,6400.0,6400.0,0.0")
    }

    @Test("The HdrHistogram percentile file is ascending, complete, and ends with its three comment lines")
    func percentileFile() throws {
        let lines = LoadTest.Report.example.percentileFile.split(separator: "\n", omittingEmptySubsequences: false)
            .dropLast()
        #expect(lines[0].split(separator: " ") == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"])
        #expect(lines[1].isEmpty)
        let rows = lines.dropFirst(2).filter { !$0.hasPrefix("#") }.map { $0.split(separator: " ").map(String.init) }
        let values = rows.compactMap { Double($0[0]) }
        #expect(values == values.sorted())
        #expect(rows.allSatisfy { $0.count == 4 } == false)
        #expect(rows.dropLast().allSatisfy { $0.count == 4 })
        #expect(rows.last == ["1000.000", "1.000000000000", "1000"])
        #expect(lines.last == "#[Max     =     1000.000, Total count    =         1000]")
    }

    @Test("The HTML page is self-contained and escapes report contents")
    func html() {
        var report = LoadTest.Report.example
        report.setup.target = "unix:/tmp/</script><script>alert(1)</script>"
        let html = report.html
        #expect(!html.contains("alert(1)</script>"))
        #expect(!html.contains("src="))
        #expect(!html.contains("@import"))
        // A namespace identifier, which is not fetched.
        #expect(html.replacing("http://www.w3.org/2000/svg", with: "").contains("http") == false)
        #expect(html.contains("unix:/tmp/&lt;/script&gt;"))
    }

    @Test(
        "The load is described in words, without a rate for modes that have none",
        arguments: [
            ("echo", "1000/s", "echo, 1000/s, constant arrivals, "), ("echo", "max", "echo, closed loop, "),
            ("hold", "max", "hold, "), ("upload", "max", "upload, "),
        ]
    )
    func load(mode: String, rate: String, text: String) {
        var report = LoadTest.Report.example
        report.setup.mode = mode
        report.setup.rate = rate
        report.setup.connections = 1
        #expect(ReportText(report).load.hasPrefix("\(text)1 connection, "))
        // Nothing happens on connections that are held until the end of the run.
        #expect(report.html.contains("<figure id=\"throughput\">") == (mode != "hold"))
    }

    @Test("Errors are listed by frequency, with the system's cause for the others")
    func errors() {
        #expect(ReportText.errors(["total": 0, "reset": 0]) == "no errors")
        #expect(
            ReportText.errors(["total": 1006, "closed_early": 2, "refused": 1000, "other": 4], other: "no route")
                == "1,000 refused, 4 other (no route), 2 closed early"
        )
        let causes = [
            LoadTest.FailureCounts.TLSCause(cause: "unknown ca", count: 5), .init(cause: "no shared cipher", count: 2),
        ]
        #expect(ReportText.errors(["tls": 5], tls: [causes[0]]) == "5 tls (unknown ca)")
        #expect(ReportText.errors(["tls": 7], tls: causes) == "7 tls (5 unknown ca; 2 no shared cipher)")
    }

    @Test("A report of TLS has its handshakes in text and JSON, and round-trips")
    func tls() throws {
        var report = LoadTest.Report.example
        #expect(!report.facts.contains { $0.hasPrefix("tls") })
        report.handshake = report.latency
        report.tls = LoadTest.Report.TLS(
            full: 1000,
            resumed: 5,
            handshakesPerSecond: 100.5,
            truncated: 0,
            agreements: [
                .init(version: "1.3", cipher: "TLS_AES_128_GCM_SHA256", count: 1003),
                .init(version: "1.2", cipher: "ECDHE", count: 2),
            ],
            failures: []
        )
        report.setup.tls = .init(serverName: "a.test", verify: "ca", minVersion: "1.2", maxVersion: nil, resume: 10)
        #expect(
            report.facts.contains(
                "tls TLS 1.3 TLS_AES_128_GCM_SHA256 (1,003), TLS 1.2 ECDHE (2), 1,000 full and 5 resumed handshakes"
            )
        )
        #expect(ReportText(report).load.contains("TLS, resuming 10 %"))
        #expect(ReportText(report).latencies.last?.first == "handshake")
        #expect(report.html.contains("1,000 full and 5 resumed handshakes"))
        #expect(try LoadTest.Report(json: report.json()) == report)
        let object = try #require(JSONSerialization.jsonObject(with: Data(report.json())) as? [String: Any])
        let tls = try #require(object["tls"] as? [String: Any])
        #expect(
            Set(tls.keys) == ["full", "resumed", "handshakes_per_second", "truncated", "agreements", "failures"]
        )
    }

    @Test("A step without due requests is not marked as too much")
    func emptyStep() {
        var report = LoadTest.Report.example
        let step = LoadTest.Report.Step(
            start: 0,
            end: 1,
            offered: 0,
            answered: 0,
            failed: 0,
            latency: LoadTest.LatencySummary(),
            isSustained: false
        )
        report.steps = [step]
        #expect(ReportText(report).steps.last?.last == "")
        report.steps[0].offered = 10
        #expect(ReportText(report).steps.last?.last == "not sustained")
        #expect(report.html.contains("not even the first step was sustained".dropFirst()))
    }

    @Test("Quality warnings appear exactly for untrustworthy results")
    func trust() {
        var report = LoadTest.Report.example
        #expect(ResultQuality.warnings(about: report).isEmpty)
        report.tester.busiestThread = 0.95
        report.tester.sendLag.count = 1000
        report.tester.sendLag.p99 = 0.3
        report.exchanges.overflowed = 3
        report.errors["exhausted"] = 1
        #expect(ResultQuality.warnings(about: report).count == 4)
        report.errors["exhausted"] = 0
        // One fifth of the latency, or the wakeup time.
        report.tester.sendLag.p99 = 0.19
        #expect(ResultQuality.warnings(about: report).count == 2)
        report.latency.p99 = 20e-6
        report.tester.sendLag.p99 = 199e-6
        #expect(ResultQuality.warnings(about: report).count == 2)
    }
}

extension LoadTest.Report {
    /// The remaining lines of the text, each as its name and its text.
    fileprivate var facts: [String] { ReportText(self).facts.map { "\($0.name) \($0.text)" } }
}
