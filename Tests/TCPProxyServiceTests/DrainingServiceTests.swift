import Logging
import ServiceLifecycle
import Support
import TCPProxy
import TCPProxyService
import Testing

@Suite("Proxy as a service", .ownThreads, .timeLimit(.minutes(2)))
struct DrainingServiceTests {
    @Test("the proxy drains on graceful shutdown of its group")
    func drains() async throws {
        let listener = try TestListener()
        var configuration = ProxyConfiguration()
        configuration.grace = .seconds(60)
        let proxy = try await Proxy.bind(
            "127.0.0.1:0",
            to: listener.address.description,
            configuration: configuration
        )
        let group = ServiceGroup(services: [DrainingService(proxy)], logger: Logger(label: "test"))
        let running = Task { try await group.run() }
        try await eventually("readiness of the proxy") { proxy.isReady }
        let client = try TestSocket.connect(to: #require(TestAddress("\(proxy.localAddress)")))
        let server = try listener.accept()
        await group.triggerGracefulShutdown()
        try await eventually("end of readiness") { !proxy.isReady }
        try client.send("still here")
        try server.receive("still here")
        client.close()
        server.close()
        // A service group treats a return after a graceful shutdown as success.
        try await running.value
        #expect(proxy.drainSummary == DrainSummary(ended: 1, forced: 0))
    }

    @Test("a second run of the proxy is an error")
    func runsOnce() async throws {
        let proxy = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9")
        await proxy.shutdown()
        try await DrainingService(proxy).run()
        await #expect(throws: ProxyError.alreadyRun) { try await DrainingService(proxy).run() }
    }
}
