import Testing

@testable import LoadTester

@Suite("Text formats")
struct TextTests {
    @Test(
        "Rates are parsed",
        arguments: [
            ("20000/s", 20_000.0), ("20k/s", 20_000), ("1.5k/s", 1500), ("600/m", 10), ("3600/h", 1), ("250", 250),
            ("2M/s", 2_000_000), ("0.5/s", 0.5),
        ]
    )
    func rates(text: String, rate: Double) throws {
        #expect(try LoadTest.RateProfile(parsing: text) == .constant(rate))
    }

    @Test(
        "Ramps are parsed",
        arguments: [
            ("0..50000/s over 30s", 0.0, 50_000.0, Duration.seconds(30)),
            ("1k..2k/s over 1m", 1000, 2000, .seconds(60)),
            ("600/m..1200/m over 500ms", 10, 20, .milliseconds(500)),
            ("60..120/m over 5m", 1, 2, .seconds(300)),
            ("100/s..0/s over 10s", 100, 0, .seconds(10)),
        ]
    )
    func ramps(text: String, from: Double, to: Double, length: Duration) throws {
        #expect(try LoadTest.RateProfile(parsing: text) == .ramp(from: from, to: to, over: length))
    }

    @Test(
        "Invalid rates are rejected",
        arguments: [
            "", "/s", "fast", "-5/s", "0/s", "1e5/s", "nan", "inf/s", "5/x", "5//s", "0..5/s", "0..5/s over", "over 5s",
            "0..5/s over 0s", "0..0/s over 5s", "5..over 3s", "2000000000/s", "1..2/s over 2d", "0x10/s", "..",
            "5..6..7/s over 1s",
            "1..2/s over 99999999999999999999h",
        ]
    )
    func noRates(text: String) {
        #expect(throws: LoadTest.SyntaxError.self) { try LoadTest.RateProfile(parsing: text) }
    }

    @Test("A rate is printed as it was written", arguments: ["20000/s", "0.5/s", "0..50000/s over 30s"])
    func description(text: String) throws {
        #expect("\(try LoadTest.RateProfile(parsing: text))" == text)
    }

    @Test(
        "Times are printed with three digits and a unit",
        arguments: [
            (0.0, "0"), (1e-9, "1.00 ns"), (999e-9, "999 ns"), (0.9996e-6, "1.00 us"), (1e-6, "1.00 us"),
            (12.34e-6, "12.3 us"),
            (999.4e-6, "999 us"), (999.6e-6, "1.00 ms"), (1.234e-3, "1.23 ms"), (0.0995, "99.5 ms"), (1, "1.00 s"),
            (3725, "3725 s"),
        ]
    )
    func times(seconds: Double, text: String) {
        #expect(TimeText(seconds).description == text)
    }
}

@Suite("Conditions")
struct AssertionTests {
    private func report(_ change: (inout LoadTest.Report) -> Void) -> LoadTest.Report {
        var report = LoadTest.Report.example
        change(&report)
        return report
    }

    @Test("Conditions are evaluated")
    func comparisons() throws {
        let report = report {
            $0.latency.p99 = 0.005
            $0.errors = ["reset": 2, "total": 2]
            $0.throughput = 12_345.6
        }
        let conditions: [(String, Bool)] = [
            ("p99<5ms", false), ("p99<=5ms", true), ("p99 <= 5000us", true), ("p99>0.005s", false), ("p99>=5ms", true),
            ("p99<5.1ms", true), ("latency.p99<6ms", true), ("errors==0", false), ("errors==2", true),
            ("errors!=0", true),
            ("errors.reset==2", true), ("errors.timeout==0", true), ("throughput>12k", true),
            ("throughput>12346", false),
        ]
        for (text, isKept) in conditions {
            #expect(try LoadTest.Assertion(parsing: text).verdict(on: report).isKept == isKept, "\(text)")
        }
    }

    @Test(
        "Each metric has a name",
        arguments: ["p50", "p999", "p99.9", "p99.99", "p9999", "send.p99", "connect.max", "lag.p99"]
    )
    func times(name: String) throws {
        #expect(try LoadTest.Assertion(parsing: "\(name)<1s").metric.isTime)
    }

    @Test("Without a measurement, a condition on time is not met")
    func nothing() throws {
        let report = report { $0.latency = LoadTest.LatencySummary() }
        let verdict = try LoadTest.Assertion(parsing: "p99<1h").verdict(on: report)
        #expect(!verdict.isKept)
        #expect(verdict.found == "nothing was measured")
    }

    @Test(
        "Invalid conditions are rejected",
        arguments: [
            "", "p99", "<5ms", "p99<", "p99<5", "p98<5ms", "errors==0ms", "p99=5ms", "errors=0", "errors.bad==0",
            "p99<-5ms", "p99<<5ms",
        ]
    )
    func unreadable(text: String) {
        #expect(throws: LoadTest.SyntaxError.self) { try LoadTest.Assertion(parsing: text) }
    }
}
