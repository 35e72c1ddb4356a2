import Sockets
import Testing

@testable import LoadTester

@Suite("Analysis")
struct AnalysisTests {
    @Test(
        "A search ends below the true limit, within its precision",
        arguments: [1.0, 37, 9_999, 51_234, 99_000]
    )
    func search(limit: Double) {
        var search = RateSearch(broken: 100_000, precision: 0.02, limit: 20)
        var tried: [Double] = []
        while let rate = search.next {
            tried.append(rate)
            search.note(isKept: rate <= limit)
        }
        #expect(search.kept <= limit)
        #expect(limit - search.kept <= 2_000)
        #expect(Set(tried).count == tried.count)
        #expect(tried.count <= 20)
    }

    @Test("A search has a limit of attempts, and makes none between equal bounds")
    func searchLimits() {
        var search = RateSearch(broken: 1e9, precision: 0, limit: 12)
        while search.next != nil { search.note(isKept: true) }
        #expect(search.tries == 12)
        #expect(RateSearch(kept: 5, broken: 5).next == nil)
        #expect(RateSearch(broken: 0).next == nil)
    }

    @Test("Rate search finds its upper bound in a closed loop, then bisects")
    func find() async throws {
        var configuration = try LoadTest.Configuration("127.0.0.1:1")
        configuration.pace = .closedLoop
        let finder = LoadTest.RateFinder(configuration, keeping: try LoadTest.Assertion(parsing: "p99<10ms"))
        // A target that is fast up to 5,000/s, and answers at most 8,000/s.
        let found = try await finder.find { configuration in
            var report = LoadTest.Report.example
            guard case .rate(let profile) = configuration.pace else {
                report.throughput = 8000
                return report
            }
            let rate = profile.highestRate
            report.latency.p99 = rate <= 5000 ? 0.001 : 0.1
            report.exchanges.due = Int(rate)
            report.exchanges.answered = Int(min(rate, 8000))
            return report
        }
        let rate = try #require(found.rate)
        #expect(rate <= 5000 && rate > 4800)
        #expect(found.tries.allSatisfy { $0.isKept == ($0.rate <= 5000) })
        #expect(!found.wasStopped)
    }

    @Test("A stopped search is marked as stopped and omits the interrupted run", arguments: [1, 3])
    func stoppedSearch(stoppedRun: Int) async throws {
        let finder = LoadTest.RateFinder(
            try LoadTest.Configuration("127.0.0.1:1"),
            keeping: try LoadTest.Assertion(parsing: "p99<10s")
        )
        let runs = Order()
        let found = try await finder.find { _ in
            await runs.add("")
            var report = LoadTest.Report.example
            report.throughput = 1000
            report.wasStopped = await runs.targets.count == stoppedRun
            return report
        }
        #expect(found.wasStopped)
        #expect(found.tries.count == max(0, stoppedRun - 2))
    }

    @Test("A rate with unanswered requests is not sustained, however fast the others are")
    func unanswered() throws {
        let finder = LoadTest.RateFinder(
            try LoadTest.Configuration("127.0.0.1:1"),
            keeping: try LoadTest.Assertion(parsing: "p99<10s")
        )
        var report = LoadTest.Report.example
        #expect(finder.isKept(by: report))
        report.exchanges.answered = 980
        #expect(!finder.isKept(by: report))
    }

    @Test(
        "A result formats the measured value",
        arguments: [("throughput>10k", 999.8361735, "999.8"), ("throughput>1", 1000, "1000"), ("answered>1", 0, "3")]
    )
    func results(condition: String, throughput: Double, found: String) throws {
        var report = LoadTest.Report.example
        report.throughput = throughput
        report.exchanges.answered = 3
        #expect(try LoadTest.Assertion(parsing: condition).verdict(on: report).found == found)
    }

    @Test("The saturation point is the last sustained step")
    func saturationPoint() {
        func step(_ offered: Double, _ answered: Double, _ p50: Double) -> LoadTest.Report.Step {
            var latency = LoadTest.LatencySummary()
            latency.count = 1
            latency.p50 = p50
            return .init(
                start: 0,
                end: 1,
                offered: offered,
                answered: answered,
                failed: 0,
                latency: latency,
                isSustained: false
            )
        }
        var steps = [
            step(100, 100, 0.002), step(200, 200, 0.002), step(300, 299, 0.011), step(400, 400, 0.009),
            step(500, 400, 0.009),
            step(600, 600, 0.5),
        ]
        #expect(SaturationPoint.judge(&steps) == 400)
        #expect(steps.map(\.isSustained) == [true, true, false, true, false, false])
        var none = [step(100, 10, 0.001)]
        #expect(SaturationPoint.judge(&none) == nil)
        var empty: [LoadTest.Report.Step] = []
        #expect(SaturationPoint.judge(&empty) == nil)
    }

    @Test("A ratio is the geometric mean with Student's interval")
    func ratios() throws {
        let same = Statistics.ratio(of: [(1, 2), (10, 20), (3, 6)])
        #expect(abs(same.ratio - 2) < 1e-12)
        let interval = try #require(same.interval)
        #expect(interval.upperBound - interval.lowerBound < 1e-9)
        // Computed by hand: logarithms -0.1, 0 and 0.1, so an error of 0.1 / sqrt(3), times 4.303.
        let spread = Statistics.ratio(of: [(1, 0.904837418), (1, 1), (1, 1.105170918)])
        #expect(abs(spread.ratio - 1) < 1e-9)
        let width = try #require(spread.interval?.upperBound)
        #expect(abs(width - 1.2820) < 1e-3)
        #expect(Statistics.ratio(of: [(4, 2)]).ratio == 0.5)
        #expect(Statistics.ratio(of: [(4, 2)]).interval == nil)
    }

    @Test("Student's interval covers the true ratio in 95 of 100 cases")
    func coverage() {
        var random = TestRandom()
        var covered = 0
        for _ in 0..<2000 {
            // Normally distributed logarithms, as sums of twelve uniform ones.
            let pairs = (0..<5).map { _ in
                let noise = (0..<12).reduce(-6.0) { sum, _ in sum + Double.random(in: 0..<1, using: &random) }
                return (1.0, 1.3 * (1 + 0.1 * noise / 10))
            }
            if Statistics.ratio(of: pairs).interval?.contains(1.3) == true { covered += 1 }
        }
        #expect((1860...1940).contains(covered), "\(covered)")
    }

    @Test("Two targets alternate, and the order is reversed each round")
    func rounds() async throws {
        let targets = try (1...2).map { try LoadTest.Configuration("127.0.0.1:\($0)") }
        var versus = LoadTest.Comparison(targets[0], targets[1])
        versus.rounds = 4
        let order = Order()
        let report = try await versus.compare { configuration in
            await order.add(configuration.target.description)
            var report = LoadTest.Report.example
            report.setup.target = configuration.target.description
            report.throughput = configuration.target.description.hasSuffix("2") ? 150 : 100
            return report
        }
        #expect(await order.targets.map { $0.suffix(1) } == ["1", "2", "2", "1", "1", "2", "2", "1"])
        #expect(report.first.allSatisfy { $0.setup.target.hasSuffix("1") })
        let throughput = try #require(report.ratios.first { $0.metric == "throughput" })
        #expect(abs(try #require(throughput.ratio) - 1.5) < 1e-9)
        #expect(abs(try #require(throughput.first) - 100) < 1e-9)
        #expect(abs(try #require(throughput.second) - 150) < 1e-9)
    }

    /// The ratio of the throughput, and its text, for values of both targets in the same rounds.
    private func compared(_ values: [(first: Double?, second: Double?)]) throws -> (
        ratio: LoadTest.ComparisonReport.Ratio, cells: [String]
    ) {
        func report(_ throughput: Double?) -> LoadTest.Report {
            var report = LoadTest.Report.example
            report.throughput = throughput
            return report
        }
        let comparison = LoadTest.ComparisonReport(values.map { report($0.first) }, values.map { report($0.second) })
        let ratio = try #require(comparison.ratios.first { $0.metric == "throughput" })
        let text = try #require(ComparisonText(comparison)).ratios
        return (ratio, try #require(text.first { $0[0] == "throughput" }))
    }

    @Test("The ratio is that of the two values beside it, however uneven the rounds are")
    func consistentRatio() throws {
        let (ratio, cells) = try compared([(100, 50), (100, 1000), (1000, 900), (20, 21), (7, 70)])
        let (first, second) = (try #require(ratio.first), try #require(ratio.second))
        #expect(abs(second / first - (try #require(ratio.ratio))) < 1e-9)
        #expect(try #require(ratio.low) < second / first)
        #expect(cells[3] == (second / first).fixed(3))
    }

    @Test("A comparison with zero or nothing has no ratio, and is not left out")
    func comparisonWithNothing() throws {
        let zero = try compared([(0, 100), (0, 100)])
        #expect(zero.ratio.first == 0)
        #expect(zero.ratio.ratio == nil)
        #expect(zero.cells == ["throughput", "0/s", "100/s", "-", "-"])
        let missing = try compared([(nil, 100), (90, 100)])
        #expect(missing.cells == ["throughput", "-", "100/s", "-", "-"])
        let one = try compared([(50, 100)])
        #expect(one.cells == ["throughput", "50/s", "100/s", "2.000", "one round"])
    }

    @Test("The page of a comparison has the ratios and all rounds, and needs no network")
    func comparisonPage() throws {
        var report = LoadTest.Report.example
        report.setup.target = "<a>"
        report.environment.host = "bench"
        let html = LoadTest.ComparisonReport([report, report], [report, report]).html
        #expect(html.contains("&lt;a&gt;") && !html.contains("<a>"))
        #expect(html.contains("<svg") && html.contains("on bench"))
        #expect(html.split(separator: "<td>A</td>").count == 3)
        #expect(!html.contains("http"))
        #expect(LoadTest.ComparisonReport([], []).html.contains("Stopped before"))
    }

    private func socketAddress(_ text: String) throws -> SocketAddress {
        guard case .socket(let address) = try ServiceAddress(parsing: text) else { throw MissingResult() }
        return address
    }

    @Test(
        "A PROXY protocol header has the addresses of the connection",
        arguments: [
            ("10.0.0.1:1024", "10.0.0.2:80", "PROXY TCP4 10.0.0.1 10.0.0.2 1024 80\r\n"),
            ("[fd00::1]:1", "[fd00::2]:65535", "PROXY TCP6 fd00::1 fd00::2 1 65535\r\n"),
            ("unix:/a", "unix:/b", "PROXY UNKNOWN\r\n"),
        ]
    )
    func proxyLine(source: String, destination: String, line: String) throws {
        let (source, destination) = (try socketAddress(source), try socketAddress(destination))
        let bytes = LoadTest.ProxyHeader.v1.bytes(from: source, to: destination)
        #expect(String(decoding: bytes, as: UTF8.self) == line)
    }

    @Test("The binary PROXY protocol header has the addresses in network byte order")
    func proxyHeader() throws {
        let (source, destination) = (try socketAddress("10.0.0.1:1024"), try socketAddress("10.0.0.2:80"))
        let signature: [UInt8] = Array("\r\n\r\n\0\r\nQUIT\n".utf8)
        let header = LoadTest.ProxyHeader.v2.bytes(from: source, to: destination)
        #expect(header == signature + [0x21, 0x11, 0, 12, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 0, 80])
        let (six, other) = (try socketAddress("[fd00::1]:1"), try socketAddress("[fd00::2]:2"))
        let long = LoadTest.ProxyHeader.v2.bytes(from: six, to: other)
        #expect(long.count == 52 && long[12...15] == [0x21, 0x21, 0, 36])
        #expect(long[16] == 0xFD && long[31] == 1 && long[47] == 2 && long.suffix(4) == [0, 1, 0, 2])
        let unix = SocketAddress.unix(path: "/a")
        #expect(LoadTest.ProxyHeader.v2.bytes(from: unix, to: unix) == signature + [0x21, 0, 0, 0])
    }

    private actor Order {
        var targets: [String] = []
        func add(_ target: String) { targets.append(target) }
    }

    private struct TestRandom: RandomNumberGenerator {
        private var state: UInt64 = 88_172_645_463_325_252
        // xorshift64 (Marsaglia, 2003).
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }
}
