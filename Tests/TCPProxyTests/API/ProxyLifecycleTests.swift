import Foundation
import Glibc
import Support
import TCPProxy
import Testing

@Suite("Proxy lifecycle", .ownThreads, .timeLimit(.minutes(2)))
struct ProxyLifecycleTests {
    /// Expects that nothing listens on the address any more. This can take a moment while another test starts a
    /// process: until its exec, the child holds copies of all descriptors.
    private func expectFree(_ address: TestAddress) async throws {
        try await eventually("a free address") { (try? TestListener(on: address)) != nil }
    }

    /// Runs a proxy with one connection, and passes both of its ends to `body`.
    private func withConnection(_ body: (Proxy, _ client: TestSocket, _ server: TestSocket) async throws -> Void)
        async throws
    {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address) { proxy in
            let (client, server) = try proxy.connect(through: listener)
            try await body(proxy, client, server)
        }
    }

    private func expectUnready(_ proxy: Proxy) async throws {
        try await eventually("end of readiness") { !proxy.isReady }
    }

    @Test("a shutdown waits for connections to complete, and new ones are refused")
    func drains() async throws {
        try await withConnection { proxy, client, server in
            async let summary = proxy.shutdown(grace: .seconds(60))
            try await expectUnready(proxy)
            // Checked by a bind, since a connection attempt would be one more connection to drain.
            try await expectFree(proxy.testAddress)
            try await expectRefusal(at: proxy.testAddress)
            try client.send("still here")
            try server.receive("still here")
            client.close()
            server.close()
            #expect(await summary == DrainSummary(ended: 1, forced: 0))
            #expect(proxy.drainSummary == DrainSummary(ended: 1, forced: 0))
        }
    }

    @Test("a shutdown resets remaining connections after the grace period")
    func closes() async throws {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address) { proxy in
            let ends = try proxy.connect(through: listener)
            let stays = try proxy.connect(through: listener)
            async let summary = proxy.shutdown(grace: .seconds(3))
            try await eventually("end of readiness") { !proxy.isReady }
            ends.client.close()
            ends.server.close()
            #expect(await summary == DrainSummary(ended: 1, forced: 1))
            #expect(try stays.client.receiveRest().end == .reset)
            #expect(try stays.server.receiveRest().end == .reset)
        }
    }

    @Test("a second shutdown shortens the first")
    func shortens() async throws {
        try await withConnection { proxy, client, server in
            async let first = proxy.shutdown(grace: .seconds(3600))
            try await expectUnready(proxy)
            let forced = DrainSummary(ended: 0, forced: 1)
            #expect(await proxy.shutdown(grace: .zero) == forced)
            #expect(await first == forced)
            #expect(try client.receiveRest().end == .reset)
            #expect(try server.receiveRest().end == .reset)
        }
    }

    @Test("a shutdown serves new clients during the drain delay")
    func drainDelay() async throws {
        let listener = try TestListener()
        // Longer than a connect takes on any machine; a second shutdown skips the rest of it.
        let long: (inout SingleListenerSettings) -> Void = { $0.drainDelay = .seconds(3600) }
        try await withRunningProxy(to: listener.address, configure: long) { proxy in
            async let summary = proxy.shutdown(grace: .seconds(60))
            try await expectUnready(proxy)
            let (client, server) = try proxy.connect(through: listener)
            client.close()
            server.close()
            #expect(await proxy.shutdown(grace: .seconds(60)) == DrainSummary(ended: 1, forced: 0))
            #expect(await summary == DrainSummary(ended: 1, forced: 0))
        }
        let short: (inout SingleListenerSettings) -> Void = { $0.drainDelay = .milliseconds(10) }
        try await withRunningProxy(to: listener.address, configure: short) { proxy in
            #expect(await proxy.shutdown(grace: .seconds(60)) == DrainSummary(ended: 0, forced: 0))
        }
    }

    @Test("an excessive grace period does not trap")
    func endlessGrace() async throws {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address) { proxy in
            let (client, server) = try proxy.connect(through: listener)
            async let summary = proxy.shutdown(grace: .seconds(Int64.max))
            try await eventually("end of readiness") { !proxy.isReady }
            client.close()
            server.close()
            #expect(await summary == DrainSummary(ended: 1, forced: 0))
        }
    }

    @Test("canceling the task of run resets all connections")
    func cancelled() async throws {
        let listener = try TestListener()
        let proxy = try await Proxy.bind("127.0.0.1:0", to: listener.address.description)
        let running = Task { try await proxy.run() }
        let (client, server) = try proxy.connect(through: listener)
        running.cancel()
        try await running.value
        #expect(!proxy.isReady)
        #expect(try client.receiveRest().end == .reset)
        #expect(try server.receiveRest().end == .reset)
        try await expectFree(proxy.testAddress)
        #expect(proxy.snapshot().closures == [.init(reason: .forced, initiator: .proxy): 1])
    }

    @Test("a proxy canceled before it runs ends immediately")
    func cancelledBefore() async throws {
        let proxy = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9")
        let running = Task {
            // Cancelled only now, so that the run begins in a cancelled task.
            withUnsafeCurrentTask { $0?.cancel() }
            try await proxy.run()
        }
        try await running.value
        try await expectFree(proxy.testAddress)
    }

    @Test("a shutdown that nothing waits for drains the proxy")
    func begun() async throws {
        let listener = try TestListener()
        let proxy = try await Proxy.bind("127.0.0.1:0", to: listener.address.description)
        async let running: Void = proxy.run()
        try await eventually("readiness of the proxy") { proxy.isReady }
        let (client, server) = try proxy.connect(through: listener)
        proxy.beginShutdown(grace: .seconds(60))
        try await eventually("end of readiness") { !proxy.isReady }
        client.close()
        server.close()
        try await running
        #expect(proxy.drainSummary == DrainSummary(ended: 1, forced: 0))
    }

    @Test("the proxy is ready only while it runs")
    func isReady() async throws {
        let proxy = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9")
        #expect(!proxy.isReady)
        async let running: Void = proxy.run()
        try await eventually("readiness of the proxy") { proxy.isReady }
        await proxy.shutdown()
        try await running
        #expect(!proxy.isReady)
    }

    @Test("a proxy runs only once")
    func runsOnce() async throws {
        let proxy = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9")
        async let running: Void = proxy.run()
        try await eventually("readiness of the proxy") { proxy.isReady }
        await #expect(throws: ProxyError.alreadyRun) { try await proxy.run() }
        await proxy.shutdown()
        try await running
        await #expect(throws: ProxyError.alreadyRun) { try await proxy.run() }
    }

    @Test("a shutdown before run serves connected clients", arguments: [1, 2])
    func calledOffWithClients(threads: Int) async throws {
        let listener = try TestListener()
        var configuration = ProxyConfiguration()
        configuration.threads = threads
        configuration.grace = .seconds(600)
        let proxy = try await Proxy.bind(
            "127.0.0.1:0",
            to: listener.address.description,
            configuration: configuration
        )
        let clients = try (0..<10).map { _ in try TestSocket.connect(to: proxy.testAddress) }
        for client in clients { try client.send("hello") }
        async let summary = proxy.shutdown()
        try listener.greet(clients.count)
        for client in clients {
            try client.receive("goodbye")
            client.close()
        }
        #expect(await summary == DrainSummary(ended: 10, forced: 0))
        try await proxy.run()
        try await expectFree(proxy.testAddress)
    }

    @Test("a shutdown before run returns immediately and releases the address")
    func isCanceled() async throws {
        let proxy = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9")
        #expect(await proxy.shutdown() == DrainSummary(ended: 0, forced: 0))
        try await proxy.run()
        #expect(!proxy.isReady)
        for await _ in proxy.snapshots {}
        for await _ in proxy.events {}
        try await expectFree(proxy.testAddress)
    }
}

/// Leaks are checked in a process of their own, since parallel tests share their descriptors (and a process that is
/// about to start holds copies of them for a moment).
@Suite("Resource leaks of a proxy", .timeLimit(.minutes(2)))
struct ResourceLeakTests {
    /// Number of open descriptors of this process. Swift's runtime opens and closes a few at any time, so the criterion
    /// is whether the number grows each time.
    private static var descriptorCount: Int {
        get throws { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
    }

    @Test("an unused proxy leaks no descriptor")
    func descriptors() async {
        await #expect(processExitsWith: .success) {
            _ = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9")
            let before = try Self.descriptorCount
            for _ in 0..<20 {
                var configuration = ProxyConfiguration()
                configuration.threads = 3
                _ = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9", configuration: configuration)
            }
            try #require(try Self.descriptorCount < before + 20)
        }
    }

    @Test("a finished proxy leaks no descriptor")
    func descriptorsAfterRun() async {
        await #expect(processExitsWith: .success) {
            let listener = try TestListener()
            let before = try Self.descriptorCount
            for _ in 0..<20 {
                var configuration = ProxyConfiguration()
                configuration.threads = 2
                let proxy = try await Proxy.bind(
                    "127.0.0.1:0",
                    to: listener.address.description,
                    configuration: configuration
                )
                let running = Task { try await proxy.run() }
                for _ in 0..<5 {
                    let client = try TestSocket.connect(to: TestAddress(proxy.localAddress.description)!)
                    let server = try listener.accept()
                    try client.send("hello")
                    try server.receive("hello")
                }
                await proxy.shutdown(grace: .zero)
                try await running.value
            }
            try #require(try Self.descriptorCount < before + 20)
        }
    }

    @Test("a proxy shut down right after its start leaves no listening socket")
    func shutdownAtOnce() async {
        await #expect(processExitsWith: .success) {
            for round in 0..<100 {
                let proxy = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9")
                let running = Task { try await proxy.run() }
                for _ in 0..<round % 5 { await Task.yield() }
                await proxy.shutdown(grace: .zero)
                let address = try #require(TestAddress(proxy.localAddress.description))
                try #require(throws: SystemFailure("connect", code: ECONNREFUSED)) {
                    _ = try TestSocket.connect(to: address)
                }
                try await running.value
            }
        }
    }

    @Test("an unused proxy leaves no socket file")
    func file() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/proxy"
            do {
                let proxy = try await Proxy.bind("unix:\(path)", to: "127.0.0.1:9")
                #expect(access(path, F_OK) == 0)
                #expect(proxy.localAddress == .unix(path: path))
            }
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test("an unused proxy resets its accept queue and contacts no server")
    func queue() async {
        await #expect(processExitsWith: .success) {
            let listener = try TestListener(limit: .milliseconds(1))
            let clients: [TestSocket]
            do {
                let proxy = try await Proxy.bind("127.0.0.1:0", to: listener.address.description)
                clients = try (0..<3).map { _ in
                    try TestSocket.connect(to: TestAddress(proxy.localAddress.description)!)
                }
            }
            for client in clients { try #require(try client.receiveRest().end == .reset) }
            #expect(throws: TimedOut.self) { _ = try listener.accept() }
        }
    }
}
