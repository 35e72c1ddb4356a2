import EchoServer
import ProcessSupport
import Sockets
import Support
import Testing

@testable import LoadTester

/// Tests on real sockets, against this package's echo server. None of them checks performance.
@Suite("Real targets", .ownThreads, .serialized, .timeLimit(.minutes(1)))
struct RealTargetTests {
    /// Runs a plan against an echo server, and returns the report with the server's own counters.
    private func load(
        at listen: String = "127.0.0.1:0",
        mode: EchoServer.Mode? = nil,
        configuration: EchoServer.Configuration = .init(),
        _ change: (inout LoadTest.Configuration) -> Void
    ) async throws -> (report: LoadTest.Report, server: EchoCounters) {
        var served = configuration
        if let mode { served.mode = mode }
        let echo = try await EchoServer.bind(listen, configuration: served)
        var configuration = LoadTest.Configuration(target: .socket(echo.localAddress))
        configuration.duration = .milliseconds(300)
        configuration.connections = 4
        change(&configuration)
        let planned = configuration
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await echo.run() }
            let report = try await LoadTest(planned).run()
            await echo.shutdown(grace: .seconds(5))
            try await group.waitForAll()
            return (report, echo.counters)
        }
    }

    private func expectAgreement(_ report: LoadTest.Report, _ server: EchoCounters, size: Int = 64) {
        let exchanges = report.exchanges
        #expect(report.errors["total"] == 0, "\(report.errors)")
        #expect(exchanges.due > 0)
        #expect(
            exchanges.due
                == exchanges.answered + exchanges.failed + exchanges.unanswered + exchanges.unsent
                + exchanges.overflowed
        )
        // On a busy machine, some may not have been sent by the end.
        #expect(exchanges.answered + exchanges.unsent == exchanges.due)
        #expect(exchanges.startedTotal == exchanges.answeredTotal)
        // Exact, in bytes and in connections.
        #expect(server.bytesReceived == exchanges.startedTotal * size)
        #expect(server.bytesSent == exchanges.answeredTotal * size)
        #expect(server.total == report.connections.established)
        #expect(server.reset == 0)
    }

    @Test("Open loop: all due requests are answered, and the server's counts agree", arguments: [1, 2])
    func openLoop(threads: Int) async throws {
        let (report, server) = try await load { configuration in
            configuration.pace = .rate(.constant(2000))
            configuration.threads = threads
            configuration.warmUp = .milliseconds(100)
        }
        expectAgreement(report, server)
        #expect(report.exchanges.due == 600)
        #expect(report.exchanges.startedTotal > 0)
        #expect(report.latency.count == 600)
        #expect(report.latency.min > 0)
        #expect(report.latency.p50 >= report.latencyFromSend.min)
        #expect(report.connect.count == 4)
        #expect(!report.timeline.isEmpty)
        #expect(report.tester.processorTime > 0)
    }

    @Test("Closed loop: the server's counts agree, at two system calls per exchange and a share of a wait")
    func closedLoop() async throws {
        let (report, server) = try await load { configuration in
            configuration.pace = .closedLoop
            configuration.connections = 16
        }
        expectAgreement(report, server)
        let calls = try #require(report.tester.systemCallsPerExchange)
        #expect(calls >= 2)
        #expect(calls < 3.2)
        #expect(report.throughput ?? 0 > 0)
    }

    @Test("IPv6 and Unix sockets work", arguments: ["[::1]:0", "unix"])
    func families(listen: String) async throws {
        try await withScratchFolder { folder in
            let listen = listen == "unix" ? "unix:\(folder)/echo.sock" : listen
            let (report, server) = try await load(at: listen) { configuration in
                configuration.pace = .rate(.constant(500))
            }
            expectAgreement(report, server)
            #expect(report.exchanges.due == 150)
        }
    }

    @Test("Requests larger than any buffer are echoed completely")
    func large() async throws {
        let (report, server) = try await load { configuration in
            configuration.mode = .echo(.generated(count: 3_000_001))
            configuration.pace = .closedLoop
            configuration.drain = .seconds(30)
        }
        expectAgreement(report, server, size: 3_000_001)
    }

    @Test("Responses of another size are complete, and the server's counts agree", arguments: [false, true])
    func responses(isOpenLoop: Bool) async throws {
        var configuration = EchoServer.Configuration()
        configuration.mode = .respond
        configuration.responseSize = 200_000
        let (report, server) = try await load(configuration: configuration) { configuration in
            var response = LoadTest.ExpectedResponse(size: 200_000)
            response.verifies = true
            configuration.mode = .request(.generated(count: 100), response: response)
            configuration.pace = isOpenLoop ? .rate(.constant(200)) : .closedLoop
            configuration.drain = .seconds(30)
        }
        #expect(report.errors["total"] == 0)
        #expect(report.exchanges.answered > 0)
        #expect(report.setup.mode == "request")
        #expect(report.setup.size == 100)
        #expect(report.setup.responseSize == 200_000)
        #expect(server.bytesReceived == report.exchanges.startedTotal * 100)
        #expect(server.bytesSent == report.exchanges.answeredTotal * 200_000)
        #expect(report.traffic.downstreamTotal == server.bytesSent)
    }

    @Test("Each upload chunk is one send")
    func smallChunks() async throws {
        let (report, server) = try await load(mode: .sink) { configuration in
            var bulk = LoadTest.Bulk(.upload)
            bulk.chunk = 1024
            configuration.mode = .bulk(bulk)
            configuration.drain = .seconds(30)
        }
        #expect(report.errors["total"] == 0)
        #expect(report.traffic.upstreamTotal == server.bytesReceived)
        // A send beyond those needed for the bytes found the send buffer full.
        #expect(report.tester.systemCalls >= report.traffic.upstream / 1024)
    }

    @Test(
        "The bytes of a PROXY protocol header precede those of the workload",
        arguments: [
            (LoadTest.ProxyHeader.v1, "127.0.0.1:0"), (.v2, "127.0.0.1:0"), (.v2, "[::1]:0"),
        ]
    )
    func proxyHeader(version: LoadTest.ProxyHeader, listen: String) async throws {
        var configuration = EchoServer.Configuration()
        configuration.mode = .sink
        let (report, server) = try await load(at: listen, configuration: configuration) { configuration in
            configuration.mode = .connect(.generated(count: 0), ending: .fin)
            configuration.pace = .rate(.constant(100))
            configuration.proxyHeader = version
        }
        let established = report.connections.established
        #expect(report.errors["total"] == 0)
        #expect(report.setup.proxyHeader == version)
        #expect(established > 0)
        switch (version, listen) {
        case (.v2, "127.0.0.1:0"): #expect(server.bytesReceived == 28 * established)
        case (.v2, _): #expect(server.bytesReceived == 52 * established)
        case (.v1, _): #expect(server.bytesReceived >= 40 * established)
        }
        #expect(report.traffic.upstreamTotal == server.bytesReceived)
    }

    @Test("Fragmented responses are reassembled")
    func pieces() async throws {
        var configuration = EchoServer.Configuration()
        configuration.chunk = 7
        let (report, server) = try await load(configuration: configuration) { configuration in
            configuration.mode = .echo(.bytes(Array("what a file holds, as it is".utf8)))
            configuration.pace = .rate(.constant(500))
        }
        expectAgreement(report, server, size: 27)
    }

    @Test(
        "Connect: each request uses one connection, and the server's counts agree",
        arguments: [LoadTest.ConnectionEnding.fin, .reset]
    )
    func connect(ending: LoadTest.ConnectionEnding) async throws {
        let (report, server) = try await load { configuration in
            configuration.mode = .connect(.generated(count: 64), ending: ending)
            configuration.pace = .rate(.constant(300))
        }
        let answered = report.exchanges.answered
        #expect(report.errors["total"] == 0)
        #expect(report.exchanges.due == 90)
        #expect(answered > 0)
        #expect(answered + report.exchanges.unsent == 90)
        #expect(report.connections.established == answered)
        #expect(server.total == answered)
        #expect(ending == .reset ? server.reset == answered : server.ended == answered)
        #expect(report.connect.count == answered)
    }

    @Test("Upload: the sink received exactly the bytes reported as sent")
    func upload() async throws {
        let (report, server) = try await load(mode: .sink) { configuration in
            configuration.mode = .bulk(LoadTest.Bulk(.upload))
            configuration.drain = .seconds(30)
        }
        #expect(report.errors["total"] == 0)
        #expect(report.traffic.upstreamTotal == server.bytesReceived)
        #expect(report.traffic.upstream > 0)
        #expect(report.traffic.upstream <= server.bytesReceived)
        #expect(server.ended == 4)
    }

    @Test("Download: a source's bytes match its pattern")
    func download() async throws {
        let (report, server) = try await load(mode: .source) { configuration in
            var bulk = LoadTest.Bulk(.download)
            bulk.verifies = true
            configuration.mode = .bulk(bulk)
        }
        #expect(report.errors["total"] == 0)
        #expect(report.traffic.downstreamTotal > 0)
        #expect(report.traffic.downstreamTotal <= server.bytesSent)
    }

    @Test("Both: all bytes sent return")
    func both() async throws {
        let (report, server) = try await load { configuration in
            var bulk = LoadTest.Bulk(.both)
            bulk.verifies = true
            configuration.mode = .bulk(bulk)
            configuration.drain = .seconds(30)
        }
        #expect(report.errors["total"] == 0)
        #expect(report.traffic.upstreamTotal == report.traffic.downstreamTotal)
        #expect(report.traffic.upstreamTotal == server.bytesReceived)
    }

    @Test("Hold: all connections stay open, and each answers once")
    func hold() async throws {
        let (report, server) = try await load { configuration in
            configuration.mode = .hold(.generated(count: 64))
            configuration.connections = 300
            configuration.threads = 2
        }
        #expect(report.errors["total"] == 0)
        #expect(report.connections.lived == 300)
        #expect(report.exchanges.answered == 300)
        #expect(server.total == 300)
        #expect(server.bytesReceived == 300 * 64)
    }

    @Test("A script runs against an echo server")
    func script() async throws {
        let script = try LoadTest.Script(parsing: "send GET ${seq} ${random:9}\\n\nexpect GET ${any} ${random:9}\\n")
        let (report, _) = try await load { configuration in
            configuration.mode = .script(script)
            configuration.pace = .rate(.constant(500))
        }
        #expect(report.errors["total"] == 0)
        #expect(report.exchanges.answered > 0)
        #expect(report.exchanges.answered + report.exchanges.unsent == 150)
    }

    @Test("A stall shows in an open loop but not in a closed loop")
    func stall() async throws {
        var configuration = EchoServer.Configuration()
        configuration.stall = .init(length: .milliseconds(200), period: .milliseconds(600))
        func slow(_ pace: LoadTest.Pace) async throws -> (slow: Double, report: LoadTest.Report) {
            let (report, server) = try await load(configuration: configuration) { configuration in
                configuration.pace = pace
                configuration.duration = .milliseconds(1200)
                configuration.connections = 1
            }
            expectAgreement(report, server)
            // Number of latencies of at least half a stall.
            let below = report.percentiles.last { $0.value < 0.1 }?.count ?? 0
            return (Double(report.latency.count - below) / Double(report.latency.count), report)
        }
        // One sixth of the requests is due in the first half of a stall. In the closed loop, two stalls delay one
        // request each, however many others there are.
        let open = try await slow(.rate(.constant(500)))
        #expect(open.slow > 0.1)
        #expect(open.report.latency.p95 > open.report.latencyFromSend.p95)
        let closed = try await slow(.closedLoop)
        #expect(closed.report.latency.count - Int(closed.slow * Double(closed.report.latency.count)) > 2)
        #expect(closed.slow < open.slow)
    }

    @Test("No percentile is below the fixed server delay that it falls on")
    func delays() async throws {
        var configuration = EchoServer.Configuration()
        configuration.delay = .list([.milliseconds(10), .milliseconds(10), .milliseconds(10), .milliseconds(60)])
        let (report, server) = try await load(configuration: configuration) { configuration in
            configuration.pace = .rate(.constant(100))
            configuration.connections = 1
            configuration.duration = .milliseconds(800)
        }
        expectAgreement(report, server)
        #expect(report.latencyFromSend.min >= 0.01)
        #expect(report.latencyFromSend.p90 >= 0.06)
    }
}
