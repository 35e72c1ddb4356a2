import Support
import Testing

@Suite("Idle connections cost almost nothing", .ownThreads, .serialized, .timeLimit(.minutes(5)))
struct ManyConnectionsTests {
    init() throws { try raiseDescriptorLimit() }

    @Test("2,000 idle connections cause no wakeups", arguments: [[], ["--idle-timeout", "10m", "--lifetime", "10m"]])
    func atRest(timeouts: [String]) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "2", "--summary", "off"] + timeouts) { proxy in
            let clients = try (0..<2000).map { _ in try proxy.connect() }
            let servers = try clients.map { _ in try upstream.accept() }
            #expect(try proxy.process.socketCount == proxy.socketsAtStart + 4000)

            try await expectRest(of: proxy.process)

            // Each of them still works.
            for (number, client) in clients.enumerated() { try client.send(String(10_000 + number)) }
            for server in servers { try server.send(server.receive(exactly: 5)) }
            for (number, client) in clients.enumerated() { try client.receive(String(10_000 + number)) }
            for socket in clients + servers { socket.close() }
            try await proxy.descriptorsReturn()
        }
    }

    @Test("An idle proxy with all services on is quiet too")
    func idle() async throws {
        try await withProxy(to: "echo", ["--threads", "2", "--events"], metrics: true) { proxy in
            try await expectRest(of: proxy.process)
        }
    }

    /// Expects that all threads together wake up fewer than 20 times per second once the work left over from opening
    /// the connections is done. One thread with a 10 ms tick would wake up 100 times.
    private func expectRest(of process: ProcessView, at location: SourceLocation = #_sourceLocation) async throws {
        var counts: [Int] = []
        repeat {
            counts.append(try await increase(of: { try process.wakeUps }, over: .seconds(1)))
        } while counts.last! >= 20 && counts.count < 10
        #expect(counts.last! < 20, "wakeups per second: \(counts)", sourceLocation: location)
    }
}
