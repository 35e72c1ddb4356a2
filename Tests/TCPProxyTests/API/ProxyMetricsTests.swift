import Support
import TCPProxy
import Testing

@Suite("Proxy metrics", .ownThreads, .timeLimit(.minutes(2)))
struct ProxyMetricsTests {
    @Test("the event stream reports each event and ends with the proxy")
    func events() async throws {
        let listener = try TestListener()
        let proxy = try await Proxy.bind("127.0.0.1:0", to: listener.address.description)
        // Created before the first connection, so that no event is missed.
        let events = proxy.events.makeAsyncIterator()
        let collected = Task {
            var events = events
            var all: [MetricEvent] = []
            while let event = await events.next() { all.append(event) }
            return all
        }
        async let running: Void = proxy.run()
        let (client, server) = try proxy.connect(through: listener)
        try client.send("question")
        try server.receive("question")
        try server.send("hi")
        try client.receive("hi")
        let name = try client.localAddress.description
        client.close()
        #expect(try server.receiveRest().end == .fin)
        server.close()
        try await eventually("the connection's end") { proxy.snapshot().activeConnections == 0 }
        await proxy.shutdown()
        try await running

        let all = await collected.value
        var (up, down) = (0, 0)
        var others: [MetricEvent] = []
        for event in all {
            switch event {
            case .bytesUpstream(_, let client, let count):
                #expect(client.description == name)
                up += count
            case .bytesDownstream(_, _, let count): down += count
            default: others.append(event)
            }
        }
        #expect((up, down) == (8, 2))
        try #require(others.count == 2)
        guard case .connectionOpened(let id, let opened, 1, 1) = others[0],
            case .connectionClosed(id, let closed, .ended, .client, 0) = others[1]
        else {
            Issue.record("\(others)")
            return
        }
        #expect(opened.description == name)
        #expect(closed == opened)
        #expect(all.first == others[0])
        #expect(all.last == others[1])
    }

    @Test("event subscriptions can start and end at any time")
    func readerComesAndGoes() async throws {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address) { proxy in
            for round in 1...3 {
                var events = proxy.events.makeAsyncIterator()
                let (client, server) = try proxy.connect(through: listener)
                guard case .connectionOpened(_, _, 1, round) = await events.next() else {
                    Issue.record("round \(round) did not start with its opening event")
                    return
                }
                client.close()
                server.close()
                // Waits for its event, which follows the counters: otherwise the next reader would receive it first.
                var isClosed = false
                while !isClosed, let event = await events.next() {
                    if case .connectionClosed = event { isClosed = true }
                }
                #expect(isClosed)
            }
            #expect(proxy.snapshot().eventsDropped == 0)
        }
    }

    @Test("a task that reads events can be canceled")
    func readerIsCancelled() async throws {
        let proxy = try await Proxy.bind("127.0.0.1:0", to: "127.0.0.1:9")
        let reader = Task {
            for await _ in proxy.events {}
            return true
        }
        reader.cancel()
        #expect(await reader.value)
        await proxy.shutdown()
    }

    @Test("snapshots start immediately and end with the final values")
    func snapshots() async throws {
        let listener = try TestListener()
        let proxy = try await Proxy.bind("127.0.0.1:0", to: listener.address.description)
        let collected = Task {
            var all: [MetricsSnapshot] = []
            for await snapshot in proxy.snapshots { all.append(snapshot) }
            return all
        }
        async let running: Void = proxy.run()
        let (client, server) = try proxy.connect(through: listener)
        try client.send("question")
        try server.receive("question")
        await proxy.shutdown(grace: .zero)
        try await running
        let all = await collected.value
        #expect(all.count >= 1)
        let last = try #require(all.last)
        #expect(last.totalConnections == 1)
        #expect(last.activeConnections == 0)
        #expect(last.bytesUpstream == 8)
        #expect(last.closures == [.init(reason: .forced, initiator: .proxy): 1])
        #expect(proxy.snapshot().totalConnections == 1)
        _ = server
    }

    @Test("a snapshot is produced each second")
    func ticks() async throws {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address) { proxy in
            var snapshots = proxy.snapshots.makeAsyncIterator()
            #expect(await snapshots.next()?.totalConnections == 0)
            let (client, _) = try proxy.connect(through: listener)
            var latest = await snapshots.next()
            while latest?.totalConnections == 0 { latest = await snapshots.next() }
            #expect(latest?.totalConnections == 1)
            client.close()
        }
    }

    @Test("clients are available before, during and after the run", arguments: [1, 2])
    func clients(threads: Int) async throws {
        let listener = try TestListener()
        var configuration = ProxyConfiguration()
        configuration.threads = threads
        let proxy = try await Proxy.bind(
            "127.0.0.1:0",
            to: listener.address.description,
            configuration: configuration
        )
        #expect(await proxy.clients().clients == [])

        let running = Task { try await proxy.run() }
        let (client, server) = try proxy.connect(through: listener)
        try client.send("question")
        try server.receive("question")
        try await eventually("the counted bytes") { await proxy.clients().clients.first?.bytesUpstream == 8 }
        var entry = try #require(await proxy.clients().clients.first)
        #expect(entry.address?.description == "127.0.0.1:0")
        #expect(entry.activeConnections == 1)
        #expect(entry.totalConnections == 1)

        await proxy.shutdown(grace: .zero)
        try await running.value
        entry = try #require(await proxy.clients().clients.first)
        #expect(entry.activeConnections == 0)
        #expect(entry.totalConnections == 1)
        #expect(entry.bytesUpstream == 8)
    }

    @Test("clients are available during a drain after some workers have ended")
    func clientsWhileDraining() async throws {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address, configure: { $0.threads = 4 }) { proxy in
            let (client, server) = try proxy.connect(through: listener)
            async let summary = proxy.shutdown(grace: .seconds(60))
            try await eventually("end of readiness") { !proxy.isReady }
            for _ in 0..<100 { #expect(await proxy.clients().clients.map(\.totalConnections) == [1]) }
            client.close()
            server.close()
            #expect(await summary == DrainSummary(ended: 1, forced: 0))
        }
    }
}
