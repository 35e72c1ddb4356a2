import ArgumentParser
@testable import LoadTester
import Sockets
import Synchronization
import Testing
import ValueFormats

@testable import monkey

/// Results of parsing the options of `monkey load`, and the output format of its results.
@Suite("Options and output of monkey load")
struct LoadCommandTests {
    private func configuration(_ arguments: String...) throws -> LoadTest.Configuration {
        let command = try #require(Monkey.parseAsRoot(["load", "127.0.0.1:1"] + arguments) as? LoadCommand)
        return try command.configuration(for: command.targets[0])
    }

    @Test("without options, all settings have the library's defaults")
    func defaults() throws {
        let configuration = try configuration()
        let defaults = LoadTest.Configuration(target: try ServiceAddress(parsing: "127.0.0.1:1"))
        #expect(configuration.pace == defaults.pace)
        #expect(configuration.connections == defaults.connections)
        #expect(configuration.threads == defaults.threads)
        #expect(configuration.duration == defaults.duration)
        #expect(configuration.warmUp == defaults.warmUp)
        #expect(configuration.drain == defaults.drain)
        #expect(configuration.timeout == defaults.timeout)
        #expect(configuration.connectTimeout == defaults.connectTimeout)
        #expect(configuration.seed == defaults.seed)
        #expect(configuration.arrivals == defaults.arrivals)
        guard case .echo(.generated(count: 64)) = configuration.mode else {
            Issue.record("\(configuration.mode)")
            return
        }
    }

    @Test("each option sets its setting")
    func options() throws {
        let configuration = try configuration(
            "--rate",
            "20k/s",
            "--arrivals",
            "poisson",
            "--connections",
            "64",
            "--threads",
            "3",
            "--duration",
            "7s",
            "--warmup",
            "2s",
            "--drain",
            "3s",
            "--timeout",
            "4s",
            "--connect-timeout",
            "5ms",
            "--seed",
            "9",
            "--source-addresses",
            "127.0.0.2,127.0.0.3",
            "--mode",
            "connect",
            "--end",
            "reset",
            "--size",
            "16K"
        )
        #expect(configuration.pace == .rate(.constant(20_000)))
        #expect(configuration.arrivals == .poisson)
        #expect(configuration.connections == 64)
        #expect(configuration.threads == 3)
        #expect(configuration.duration == .seconds(7))
        #expect(configuration.warmUp == .seconds(2))
        #expect(configuration.drain == .seconds(3))
        #expect(configuration.timeout == .seconds(4))
        #expect(configuration.connectTimeout == .milliseconds(5))
        #expect(configuration.seed == 9)
        #expect(configuration.sources.map(\.host) == ["127.0.0.2", "127.0.0.3"])
        guard case .connect(.generated(count: 16_384), ending: .reset) = configuration.mode else {
            Issue.record("\(configuration.mode)")
            return
        }
    }

    @Test("the duration of a ramp is that of the run")
    func durations() throws {
        #expect(try configuration("--ramp", "0..50000/s over 30s").duration == .seconds(30))
        #expect(try configuration("--ramp", "0..50000/s over 30s", "--duration", "40s").duration == .seconds(40))
        #expect(try configuration("--find-rate", "p99<2ms").duration == .seconds(3))
    }

    @Test("a bulk mode has its options")
    func bulk() throws {
        guard case .bulk(let bulk) = try configuration("--mode", "both", "--verify", "--size", "32K").mode else {
            Issue.record("not a bulk mode")
            return
        }
        #expect(bulk.direction == .both)
        #expect(bulk.verifies)
        #expect(bulk.chunk == 32_768)
    }

    @Test(
        "a PROXY protocol header is sent on request",
        arguments: [([], nil), (["v1"], .v1), (["v2"], .v2)] as [([String], LoadTest.ProxyHeader?)]
    )
    func proxyHeader(version: [String], header: LoadTest.ProxyHeader?) throws {
        let arguments = version.flatMap { ["--send-proxy", $0] }
        let command = try #require(Monkey.parseAsRoot(["load", "127.0.0.1:1"] + arguments) as? LoadCommand)
        #expect(try command.configuration(for: command.targets[0]).proxyHeader == header)
    }

    @Test(
        "a condition on a metric that the mode does not measure is rejected",
        arguments: [
            (["--mode", "upload", "--assert", "p99<5ms"], false),
            (["--mode", "both", "--assert", "throughput>1"], false),
            (["--mode", "download", "--assert", "answered>1"], false),
            (["--mode", "hold", "--assert", "throughput>1"], false),
            (["--rate", "max", "--assert", "lag.p99<1ms"], false),
            (
                ["--mode", "upload", "--assert", "upload>1", "--assert", "connect.p99<1s", "--assert", "errors==0"],
                true
            ),
            (["--mode", "hold", "--assert", "lived==16", "--assert", "p99<1s"], true),
        ]
    )
    func unmeasuredConditions(arguments: [String], isValid: Bool) throws {
        let command = try #require(Monkey.parseAsRoot(["load", "127.0.0.1:1"] + arguments) as? LoadCommand)
        if isValid {
            _ = try command.configuration(for: command.targets[0])
        } else {
            #expect(throws: ValidationError.self) { try command.configuration(for: command.targets[0]) }
        }
    }

    @Test(
        "a response size selects the request mode",
        arguments: [
            (["--response-size", "64K"], 100, false),
            (["--response-size", "64K", "--size", "1K", "--verify"], 1024, true),
            (["--mode", "request", "--response-size", "64K"], 100, false),
        ]
    )
    func requests(arguments: [String], size: Int, verifies: Bool) throws {
        let command = try #require(Monkey.parseAsRoot(["load", "127.0.0.1:1"] + arguments) as? LoadCommand)
        guard
            case .request(.generated(count: size), let response) = try command.configuration(for: command.targets[0])
                .mode
        else {
            Issue.record("not requests of \(size) bytes")
            return
        }
        #expect(response.size == 65_536)
        #expect(response.verifies == verifies)
    }

    @Test(
        "contradicting options of modes are rejected",
        arguments: [
            ["--mode", "request"], ["--mode", "echo", "--response-size", "4K"], ["--verify"],
            ["--mode", "upload", "--verify"], ["--response-size", "4X"],
        ]
    )
    func invalidModes(arguments: [String]) {
        #expect(throws: (any Error).self) {
            let command = try #require(Monkey.parseAsRoot(["load", "127.0.0.1:1"] + arguments) as? LoadCommand)
            _ = try command.configuration(for: command.targets[0])
        }
    }

    @Test("a message size is at most 1 GiB", arguments: [("0", 0), ("16K", 16_384), ("1.5K", 1536), ("1G", 1 << 30)])
    func sizes(text: String, bytes: Int) throws {
        #expect(try ValueReader<ByteSizeValue>.size(0...(1 << 30)).read(text).bytes == bytes)
    }

    @Test("a larger message size is rejected", arguments: ["2G", "1T"])
    func noSizes(text: String) {
        #expect(throws: ValueFormatError("too large: must be at most 1GiB")) {
            try ValueReader<ByteSizeValue>.size(0...(1 << 30)).read(text)
        }
    }

    @Test(
        "a bit rate is formatted in the largest unit",
        arguments: [
            (0.0, "0 bit/s"), (125, "1.00 kbit/s"), (1e6, "8.00 Mbit/s"), (1.25e9, "10.0 Gbit/s"), (15e9, "120 Gbit/s"),
        ]
    )
    func bitRates(bytes: Double, text: String) {
        #expect(BitRate(bytes).description == text)
    }

    @Test(
        "digits are grouped by thousands",
        arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-1234, "-1,234")]
    )
    func grouping(number: Int, text: String) {
        #expect(Grouped(number).description == text)
    }

    @Test("a sparkline is scaled to its maximum and limited in width")
    func sparklines() {
        #expect(LivePanelText.sparkline([]) == "")
        #expect(LivePanelText.sparkline([0, 0]) == "")
        #expect(LivePanelText.sparkline([1, 4, 8]) == "▂▅█")
        #expect(LivePanelText.sparkline(Array(repeating: 1, count: 500)).count == 48)
    }

    @Test("the live panel has a constant height")
    func panel() throws {
        let configuration = try configuration()
        let early = LoadTest.Progress(
            phase: .opening,
            elapsed: 0,
            duration: 10,
            latest: nil,
            answered: 0,
            connections: 0,
            errors: [:]
        )
        #expect(LivePanelText.lines(early, configuration, history: []).count == LivePanelText.height)
        let point = LoadTest.Report.TimelinePoint(
            time: 5,
            seconds: 1,
            throughput: 1234,
            p50: 1e-4,
            p99: 2e-3,
            max: 0.5,
            errors: 1,
            upstreamPerSecond: 0,
            downstreamPerSecond: 0
        )
        let late = LoadTest.Progress(
            phase: .measuring,
            elapsed: 5,
            duration: 10,
            latest: point,
            answered: 6000,
            connections: 16,
            errors: ["reset": 3, "total": 3]
        )
        let lines = LivePanelText.lines(late, configuration, label: "run 2 of 10", history: [1e-3, 0, 2e-3])
        #expect(lines.count == LivePanelText.height)
        #expect(lines[0].hasSuffix("5 of 10 s   run 2 of 10"))
        #expect(lines[2] == "p99 ▅ █")
        #expect(lines[1] == "1,234/s   p50 100 us   p99 2.00 ms   max 500 ms   3 reset")
        #expect(lines.allSatisfy { $0.count <= 80 })
    }

    @Test("the live panel shows no latency if there is none")
    func panelWithoutLatency() throws {
        let silent = LoadTest.Report.TimelinePoint(
            time: 1,
            seconds: 1,
            throughput: 0,
            p50: nil,
            p99: nil,
            max: nil,
            errors: 0,
            upstreamPerSecond: 1e6,
            downstreamPerSecond: 0
        )
        let progress = LoadTest.Progress(
            phase: .measuring,
            elapsed: 1,
            duration: 10,
            latest: silent,
            answered: 0,
            connections: 3000,
            errors: [:]
        )
        func statusLine(_ arguments: String...) throws -> String {
            let command = try #require(Monkey.parseAsRoot(["load", "127.0.0.1:1"] + arguments) as? LoadCommand)
            return LivePanelText.lines(progress, try command.configuration(for: command.targets[0]), history: [])[1]
        }
        #expect(try statusLine() == "0/s   p50 -   p99 -   max -   no errors")
        #expect(try statusLine("--mode", "hold") == "3,000 open   no errors")
        #expect(try statusLine("--mode", "upload") == "up 8.00 Mbit/s   down 0 bit/s   no errors")
    }

    @Test("an unbounded confidence interval keeps its column")
    func comparisonTable() async throws {
        var versus = LoadTest.Comparison(
            try LoadTest.Configuration("127.0.0.1:1"),
            try LoadTest.Configuration("127.0.0.1:2")
        )
        versus.rounds = 2
        let runs = Mutex(0)
        let report = LoadTest.Report(versus.first, Collector(threads: 1, interval: .seconds(1)), wasStopped: false)
        let comparison = try await versus.compare { configuration in
            var report = report
            report.throughput = runs.withLock { count in
                count += 1
                return count % 3 == 0 ? 1e6 : 1
            }
            return report
        }
        let row = try #require(ComparisonTable(comparison).lines.first { $0.hasPrefix("throughput") })
        #expect(row.hasSuffix("to over 1000"))
        #expect(row.contains(" 0.000 to"))
    }

    @Test("the table of a stopped search states that it was stopped")
    func stoppedSearch() throws {
        let condition = try LoadTest.Assertion(parsing: "p99<2ms")
        let nothing = RateTable(.init(rate: nil, tries: [], wasStopped: true), condition: condition)
        #expect(nothing.lines == ["Stopped before the first rate was tested."])
    }
}
