import EchoServer
import ProcessSupport
import Sockets
import Support
import Testing

@testable import LoadTester

/// Errors, stops and progress of runs against real targets.
@Suite("Run outcomes", .ownThreads, .serialized, .timeLimit(.minutes(1)))
struct RunOutcomeTests {
    @Test("A target that refuses connections is an error with the cause")
    func refused() async throws {
        let listener = try TestListener()
        let address = try ServiceAddress(parsing: "\(listener.address)")
        listener.close()
        let error = await #expect(throws: LoadTestError.self) {
            try await LoadTest(LoadTest.Configuration(target: address)).run()
        }
        var failures = LoadTest.FailureCounts()
        failures[.refused] = 16
        #expect(error == .noConnection(target: "\(address)", failures: failures))
    }

    @Test("A name is resolved; an unresolvable name is an error")
    func names() async throws {
        let echo = try await EchoServer.bind("127.0.0.1:0")
        let port = try #require(echo.localAddress.port)
        async let running: Void = echo.run()
        var configuration = LoadTest.Configuration(target: .name(host: "localhost", port: port))
        configuration.duration = .milliseconds(50)
        let report = try await LoadTest(configuration).run()
        #expect(report.exchanges.due == 50)
        #expect(report.exchanges.answered > 0)
        await echo.shutdown(grace: .zero)
        try await running
        let nowhere = LoadTest.Configuration(target: .name(host: "nowhere.invalid", port: port))
        let error = await #expect(throws: LoadTestError.self) { try await LoadTest(nowhere).run() }
        #expect(error?.description.contains("unknown host 'nowhere.invalid'") == true)
    }

    @Test("Resets and refusals of a killed server are counted, and the run ends on time")
    func killed() async throws {
        let echo = try await EchoServer.bind("127.0.0.1:0")
        var configuration = LoadTest.Configuration(target: .socket(echo.localAddress))
        configuration.duration = .milliseconds(500)
        configuration.drain = .milliseconds(100)
        let test = try LoadTest(configuration)
        async let running: Void = echo.run()
        async let result = test.run()
        try await eventually("exchange") { echo.counters.bytesSent > 0 }
        await echo.shutdown(grace: .zero)
        try await running
        let report = try await result
        let exchanges = report.exchanges
        #expect(exchanges.answered > 0)
        #expect(exchanges.unsent > 0)
        #expect(report.errors["refused", default: 0] > 0)
        #expect(
            exchanges.due
                == exchanges.answered + exchanges.failed + exchanges.unanswered + exchanges.unsent
                + exchanges.overflowed
        )
    }

    @Test("A stopped or canceled run returns its report so far", arguments: [true, false])
    func stopped(byCancellation: Bool) async throws {
        let echo = try await EchoServer.bind("127.0.0.1:0")
        async let running: Void = echo.run()
        var configuration = LoadTest.Configuration(target: .socket(echo.localAddress))
        configuration.duration = .seconds(3600)
        let test = try LoadTest(configuration)
        let task = Task { try await test.run() }
        try await eventually("exchange") { echo.counters.bytesSent > 0 }
        if byCancellation { task.cancel() } else { test.stop() }
        let report = try await task.value
        #expect(report.wasStopped)
        #expect(report.exchanges.answered > 0)
        #expect(report.exchanges.answered + report.exchanges.unsent == report.exchanges.due)
        #expect(report.duration < 3600)
        await #expect(throws: LoadTestError.alreadyRun) { _ = try await test.run() }
        await echo.shutdown(grace: .zero)
        try await running
    }

    @Test("Progress is reported until the run ends")
    func progress() async throws {
        let echo = try await EchoServer.bind("127.0.0.1:0")
        async let running: Void = echo.run()
        var configuration = LoadTest.Configuration(target: .socket(echo.localAddress))
        configuration.duration = .milliseconds(500)
        let test = try LoadTest(configuration)
        async let result = test.run()
        var phases: [LoadTest.Progress.Phase] = []
        var answered: [Int] = []
        for await progress in test.progress {
            phases.append(progress.phase)
            answered.append(progress.answered)
        }
        let report = try await result
        #expect(phases.first == .opening)
        #expect(phases.last == .draining)
        #expect(phases.contains(.measuring))
        #expect(answered == answered.sorted())
        #expect(answered.last == report.exchanges.answered)
        await echo.shutdown(grace: .zero)
        try await running
    }
}
