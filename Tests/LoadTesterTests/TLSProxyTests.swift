import EchoServer
import Sockets
import Support
import TCPProxy
import TLS
import Testing

@testable import LoadTester

/// Load over TLS on real sockets, through a proxy that decrypts, to this package's echo server.
@Suite("Load over TLS through a proxy", .needsTLS, .ownThreads, .serialized, .timeLimit(.minutes(1)))
struct TLSProxyTests {
    private func load(
        mode: EchoServer.Mode = .echo,
        _ change: (inout LoadTest.Configuration) -> Void
    ) async throws -> (report: LoadTest.Report, server: EchoCounters, proxy: MetricsSnapshot) {
        let certificate = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
        var served = EchoServer.Configuration()
        served.mode = mode
        let echo = try await EchoServer.bind("127.0.0.1:0", configuration: served)
        var listener = ListenerConfiguration(address: try ServiceAddress(parsing: "127.0.0.1:0"))
        listener.tls = ListenerTLS(certificates: [certificate])
        let proxy = try await Proxy.bind(listener, to: .socket(echo.localAddress))
        var configuration = LoadTest.Configuration(target: .socket(proxy.localAddress))
        configuration.duration = .milliseconds(300)
        configuration.connections = 4
        configuration.drain = .seconds(30)
        configuration.tls = LoadTest.TLSConfiguration(
            verification: .authorities(certificate.chain),
            serverName: "example.com"
        )
        change(&configuration)
        let planned = configuration
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await echo.run() }
            group.addTask { try await proxy.run() }
            let report = try await LoadTest(planned).run()
            _ = await proxy.shutdown(grace: .seconds(5))
            await echo.shutdown(grace: .seconds(5))
            try await group.waitForAll()
            return (report, echo.counters, proxy.snapshot())
        }
    }

    @Test("echo: counts agree with those of the proxy and of the server")
    func echo() async throws {
        let (report, server, proxy) = try await load { $0.pace = .rate(.constant(500)) }
        #expect(report.errors["total"] == 0, "\(report.errors)")
        #expect(report.exchanges.answered + report.exchanges.unsent == 150)
        #expect(server.bytesReceived == report.exchanges.startedTotal * 64)
        #expect(report.traffic.upstreamTotal == server.bytesReceived)
        #expect(report.handshake.count == 4)
        #expect(report.tls?.full == 4)
        #expect(report.tls?.agreements.map(\.version) == ["1.3"])
        #expect(report.setup.tls?.serverName == "example.com")
        #expect(proxy.fullHandshakes == 4)
        #expect(proxy.truncatedUpstream == 0)
    }

    @Test("bulk modes transfer the same bytes as the server counts")
    func bulk() async throws {
        let upload = try await load(mode: .sink) { $0.mode = .bulk(LoadTest.Bulk(.upload)) }
        #expect(upload.report.errors["total"] == 0)
        #expect(upload.report.traffic.upstreamTotal == upload.server.bytesReceived)
        #expect(upload.server.bytesReceived > 0)
        let both = try await load { configuration in
            var bulk = LoadTest.Bulk(.both)
            bulk.verifies = true
            configuration.mode = .bulk(bulk)
        }
        #expect(both.report.errors["total"] == 0)
        #expect(both.report.traffic.upstreamTotal == both.report.traffic.downstreamTotal)
        #expect(both.report.traffic.upstreamTotal == both.server.bytesReceived)
        let download = try await load(mode: .source) { configuration in
            var bulk = LoadTest.Bulk(.download)
            bulk.verifies = true
            configuration.mode = .bulk(bulk)
            configuration.drain = .milliseconds(100)
        }
        #expect(download.report.errors["total"] == 0)
        #expect(download.report.traffic.downstreamTotal > 0)
    }

    @Test("handshake: the proxy counts the same full and resumed handshakes", arguments: TLSVersion.allCases, [0, 100])
    func handshakes(version: TLSVersion, resume: Int) async throws {
        let (report, server, proxy) = try await load { configuration in
            configuration.mode = .handshake(ending: .fin)
            configuration.pace = .rate(.constant(200))
            configuration.threads = 2
            configuration.tls?.settings.parameters.maxVersion = version
            configuration.tls?.resume = resume
        }
        let tls = try #require(report.tls)
        #expect(report.errors["total"] == 0, "\(report.errors) \(tls.failures)")
        #expect(report.exchanges.answered > 0)
        #expect(tls.full + tls.resumed == report.exchanges.answeredTotal)
        #expect(tls.full == proxy.fullHandshakes)
        #expect(tls.resumed == proxy.resumedHandshakes)
        if resume == 0 { #expect(tls.resumed == 0) } else { #expect(tls.full <= 4) }
        #expect(server.total == report.exchanges.answeredTotal)
        #expect(report.handshake.count == report.exchanges.answeredTotal)
    }

    @Test("a target that is not trusted is an error with its cause")
    func untrusted() async throws {
        let error = await #expect(throws: LoadTestError.self) {
            _ = try await load { $0.tls?.serverName = "example.org" }
        }
        #expect(error?.description.contains("certificate is not valid for the name") == true)
    }
}
