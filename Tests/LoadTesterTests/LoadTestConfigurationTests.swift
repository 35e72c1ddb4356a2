import EchoServer
import ProcessSupport
import Sockets
import Support
import Testing

@testable import LoadTester

@Suite("Load test configuration")
struct LoadTestConfigurationTests {
    @Test("A setting outside its range is named with the valid range")
    func ranges() throws {
        let changes: [(inout LoadTest.Configuration) -> Void] = [
            { $0.connections = 0 }, { $0.threads = 257 }, { $0.duration = .zero }, { $0.warmUp = .seconds(-1) },
            { $0.timeout = .zero }, { $0.rampSteps = 0 }, { $0.queueLimit = 0 },
            { $0.mode = .echo(.generated(count: 0)) },
            { $0.mode = .echo(.generated(count: -1)) }, { $0.pace = .rate(.constant(0)) },
            { $0.pace = .rate(.constant(-1)) }, { $0.pace = .rate(.constant(.nan)) },
            { $0.pace = .rate(.ramp(from: 0, to: 5, over: .zero)) },
            {
                var bulk = LoadTest.Bulk(.upload)
                bulk.chunk = 0
                $0.mode = .bulk(bulk)
            },
        ]
        for change in changes {
            var configuration = LoadTest.Configuration(target: try ServiceAddress(parsing: "127.0.0.1:1"))
            change(&configuration)
            let error = #expect(throws: LoadTestError.self) { try LoadTest(configuration) }
            #expect(error?.description.contains(": must be ") == true)
        }
    }

    @Test("Unattainable settings are reported before any connection is opened")
    func limits() async throws {
        var configuration = LoadTest.Configuration(target: try ServiceAddress(parsing: "127.0.0.1:1"))
        configuration.connections = 1_000_000
        let limit = DescriptorLimit.raise()
        if limit < 1_000_000 {
            let planned = configuration
            await #expect(throws: LoadTestError.descriptorLimit(limit: limit, needed: 1_000_068)) {
                _ = try await LoadTest(planned).run()
            }
        }
        // Ports, which a Unix socket does not need, and of which each source address has its own range.
        configuration.connections = 100_000
        let target = TargetServer.address
        let error = #expect(throws: LoadTestError.self) { try configuration.checkPorts(target: target) }
        #expect(error?.description.contains("100000 connections need as many local ports") == true)
        try configuration.checkPorts(target: .unix(path: "/tmp/x"))
        configuration.sources = (1...10).compactMap { InternetAddress(host: "127.0.0.\($0)", port: 0) }
        try configuration.checkPorts(target: target)
    }

    @Test(
        "An unusable source address is reported before any connection is opened",
        arguments: [
            ("127.0.0.1:1", "192.0.2.1"), ("127.0.0.1:1", "::1"), ("[::1]:1", "127.0.0.1"), ("unix:/x", "127.0.0.1"),
        ]
    )
    func sources(target: String, source: String) async throws {
        var configuration = try LoadTest.Configuration(target)
        configuration.sources = [try #require(InternetAddress(host: source, port: 0))]
        let planned = configuration
        let error = await #expect(throws: LoadTestError.self) { _ = try await LoadTest(planned).run() }
        #expect(error?.description.hasPrefix("cannot connect from \(source)") == true)
    }

    @Test("Connections and requests are divided among threads", arguments: [(10, 3), (3, 64), (1, 1)])
    func shares(connections: Int, threads: Int) throws {
        var configuration = LoadTest.Configuration(target: try ServiceAddress(parsing: "127.0.0.1:1"))
        configuration.connections = connections
        configuration.threads = threads
        let shares = (0..<configuration.usedThreads).map { configuration.share(of: $0, target: .unix(path: "/x")) }
        #expect(shares.reduce(0) { $0 + $1.connections } == connections)
        #expect(shares.allSatisfy { $0.connections >= 1 })
    }
}
