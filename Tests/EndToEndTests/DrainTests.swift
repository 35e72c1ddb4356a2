import Glibc
import Support
import Testing

@Suite("Shutdown and draining", .ownThreads, .eachEngine, .serialized, .timeLimit(.minutes(3)))
struct DrainTests {
    @Test("Without connections, the proxy exits immediately", arguments: [SIGINT, SIGTERM])
    func nothingOpen(signal: Int32) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, metrics: true) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.exchange()
            pair.client.close()
            pair.server.close()
            try await eventually("end of the connection") {
                try proxy.readMetrics().value("connections_active") == 0
            }
            try proxy.end(with: signal)
            #expect(proxy.drainLines == ["Drained: 0 connections completed, 0 closed forcibly"])
            #expect(proxy.program.errorLines == [])
        }
    }

    /// Passes a proxy to `body` that has begun to drain, and its connections.
    private func withDrainingProxy(
        connections: Int,
        _ signal: Int32,
        at location: SourceLocation = #_sourceLocation,
        _ body: (RunningProxy, [RelayedPair]) async throws -> Void
    ) async throws {
        let upstream = try TestListener()
        let options = ["--threads", "\(listeners)", "--grace", "10m"]
        try await withProxy(to: upstream, options, at: location) { proxy in
            let pairs = try (0..<connections).map { _ in try RelayedPair(through: proxy, to: upstream, at: location) }
            for pair in pairs { try pair.exchange(at: location) }
            try proxy.program.signal(signal)
            try await proxy.refuses(with: connections)
            try await body(proxy, pairs)
        }
    }

    @Test("Running connections complete, and new ones are refused", arguments: [SIGINT, SIGTERM])
    func endsByItself(signal: Int32) async throws {
        let pattern = Pattern(seed: 41)
        try await withDrainingProxy(connections: 3, signal) { proxy, pairs in
            // A client's FIN, a server's FIN and a reset: each ends its connection differently.
            try pairs[0].client.send(pattern, count: 1 << 20)
            try pairs[0].client.finish()
            let received = try pairs[0].server.receiveRest(of: pattern)
            #expect(received == (1 << 20, .fin))
            pairs[0].server.close()
            #expect(try pairs[0].client.receiveRest() == .init(bytes: [], end: .fin))
            pairs[1].server.close()
            #expect(try pairs[1].client.receiveRest() == .init(bytes: [], end: .fin))
            pairs[1].client.close()
            #expect(try proxy.program.isRunning)
            try pairs[2].exchange()
            try pairs[2].client.reset()

            #expect(try proxy.program.waitForExit() == .code(0))
            #expect(proxy.drainLines == ["Drained: 3 connections completed, 0 closed forcibly"])
        }
    }

    @Test("Connections left at the end of the grace period are reset", arguments: [1, 2])
    func isForced(threads: Int) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--grace", "300ms", "--threads", "\(threads)"]) { proxy in
            let pairs = try (0..<4).map { _ in try RelayedPair(through: proxy, to: upstream) }
            for pair in pairs { try pair.exchange() }
            // Half-closed and not yet complete.
            try pairs[3].client.finish()
            #expect(try pairs[3].server.receive(upTo: 1).isEmpty)
            try proxy.end()
            for pair in pairs {
                #expect(try pair.client.receiveRest() == .init(bytes: [], end: .reset))
            }
            for pair in pairs.dropLast() {
                #expect(try pair.server.receiveRest() == .init(bytes: [], end: .reset))
            }
            #expect(proxy.drainLines == ["Drained: 0 connections completed, 4 closed forcibly"])
        }
    }

    @Test("A stalled reader and an unanswered connect do not delay the exit")
    func stuckConnections() async throws {
        let full = try FullListener()
        try await withProxy(to: full.listener, ["--grace", "300ms", "--connect-timeout", "10m"]) { proxy in
            let client = try proxy.connect()
            try proxy.end()
            #expect(try client.receiveRest().bytes.isEmpty)
        }
        let upstream = try TestListener(receiveBuffer: 8192)
        try await withProxy(to: upstream, ["--grace", "300ms"]) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            _ = try await sendUntilStuck([pair.client], Pattern(seed: 42))
            try proxy.end()
            #expect(proxy.drainLines.first?.hasSuffix("1 closed forcibly") == true)
            _ = try pair.server.descriptor
        }
    }

    @Test("A second signal resets all connections", arguments: [SIGINT, SIGTERM])
    func secondSignal(signal: Int32) async throws {
        try await withDrainingProxy(connections: 2, SIGTERM) { proxy, pairs in
            try pairs[0].exchange()
            try proxy.end(with: signal)
            for pair in pairs {
                #expect(try pair.client.receiveRest() == .init(bytes: [], end: .reset))
                #expect(try pair.server.receiveRest() == .init(bytes: [], end: .reset))
            }
            #expect(proxy.drainLines == ["Drained: 0 connections completed, 2 closed forcibly"])
        }
    }

    @Test("A second signal also ends the drain delay")
    func secondSignalInDelay() async throws {
        try await withProxy(to: "echo", ["--drain-delay", "10m"], metrics: true) { proxy in
            let client = try proxy.connect()
            try client.send("hello")
            try client.receive("hello")
            try proxy.program.signal(SIGTERM)
            try await eventually("failure of /readyz") { try proxy.get("/readyz").status == 503 }
            try proxy.end()
            #expect(try client.receiveRest() == .init(bytes: [], end: .reset))
        }
    }

    @Test("Connections in the accept queue at the signal are served", arguments: [1, 2])
    func acceptQueue(threads: Int) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--grace", "10m", "--threads", "\(threads)"]) { proxy in
            let first = try RelayedPair(through: proxy, to: upstream)
            try first.exchange()
            try await expectService(of: upstream, throughQueueOf: proxy)
            first.client.close()
            first.server.close()
            #expect(try proxy.program.waitForExit() == .code(0))
        }
    }

    @Test("Connections in the accept queue are served if the signal follows the startup", arguments: [1, 2])
    func acceptQueueAtStart(threads: Int) async throws {
        let upstream = try TestListener()
        // The earlier the signal, the more of the setup is still running; repeated because the timing varies.
        for _ in 0..<10 {
            try await withProxy(to: upstream, ["--grace", "10m", "--threads", "\(threads)"]) { proxy in
                try await expectService(of: upstream, throughQueueOf: proxy)
                #expect(try proxy.program.waitForExit() == .code(0))
            }
        }
    }

    /// Stops the process while clients connect, sends it SIGTERM, resumes it, and expects that all clients are served.
    private func expectService(of upstream: TestListener, throughQueueOf proxy: RunningProxy) async throws {
        try proxy.program.signal(SIGSTOP)
        let clients = try (0..<20).map { _ in try proxy.connect() }
        for client in clients { try client.send("hello") }
        try proxy.program.signal(SIGTERM)
        try proxy.program.signal(SIGCONT)
        try upstream.greet(clients.count)
        for client in clients {
            #expect(try client.receiveRest() == .init(bytes: Array("goodbye".utf8), end: .fin))
            client.close()
        }
    }

    @Test("Until its listeners are closed, a draining proxy is alive, not ready, and serves its metrics")
    func endpoint() async throws {
        let upstream = try TestListener()
        let options = ["--threads", "\(listeners)", "--drain-delay", "10m", "--grace", "10m"]
        try await withProxy(to: upstream, options, metrics: true) { proxy in
            #expect(try proxy.get("/readyz").status == 200)
            #expect(try proxy.get("/healthz").status == 200)
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.exchange()
            try proxy.program.signal(SIGTERM)
            try await eventually("failure of /readyz") { try proxy.get("/readyz").status == 503 }
            #expect(try proxy.get("/healthz").status == 200)
            let metrics = try proxy.readMetrics()
            #expect(metrics.value("connections_active") == 1)
            #expect(metrics.value("connections_total") == 1)
            try pair.exchange()
            try proxy.end()
        }
    }

    @Test("While a proxy drains, the next one can use all of its addresses")
    func successor() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "\(listeners)", "--grace", "10m"], metrics: true) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try proxy.program.signal(SIGTERM)
            try await proxy.refuses(with: 1)
            let admin = try #require(proxy.metrics)
            let next = [monkeyPath, "proxy", "\(proxy.address)", upstream.argument, "--admin", "\(admin)"]
            try await withProgram(next) { program in
                _ = try program.output(after: "Metrics on http://\(admin)/")
                #expect(try httpGet("/readyz", from: admin).status == 200)
                try pair.exchange()
                let new = try TestSocket.connect(to: proxy.address)
                try RelayedPair(client: new, server: upstream.accept()).exchange()
                try program.signal(SIGKILL)
            }
            pair.client.close()
            pair.server.close()
            #expect(try proxy.program.waitForExit() == .code(0))
        }
    }

    @Test("During the drain delay /readyz fails and new connections are served")
    func drainDelay() async throws {
        let upstream = try TestListener()
        try await withProxy(
            to: upstream,
            ["--threads", "\(listeners)", "--drain-delay", "2s", "--grace", "10m"],
            metrics: true
        ) { proxy in
            try proxy.program.signal(SIGTERM)
            try await eventually("failure of /readyz") { try proxy.get("/readyz").status == 503 }
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.exchange()
            try await proxy.refuses(with: 1)
            try pair.exchange()
            pair.client.close()
            pair.server.close()
            #expect(try proxy.program.waitForExit() == .code(0))
            #expect(proxy.drainLines == ["Drained: 1 connections completed, 0 closed forcibly"])
        }
    }

    @Test("The port can be bound immediately, despite connections in TIME_WAIT")
    func restart() async throws {
        let upstream = try TestListener()
        let address = try await withProxy(to: upstream) { proxy in
            for _ in 0..<3 {
                let pair = try RelayedPair(through: proxy, to: upstream)
                // The proxy sends the first FIN to the client, so the TIME_WAIT is on the proxy's port.
                pair.server.close()
                #expect(try pair.client.receiveRest().end == .fin)
                pair.client.close()
            }
            try proxy.end()
            return proxy.address
        }
        try await withProxy(on: address, to: upstream) { proxy in
            #expect(proxy.address == address)
            try RelayedPair(through: proxy, to: upstream).exchange()
        }
    }
}

extension RunningProxy {
    fileprivate var drainLines: [String] {
        program.outputLines.filter { $0.hasPrefix("Drained: ") }
    }

    /// Waits until the proxy has stopped listening, and checks that new connections are refused.
    ///
    /// Counts its sockets first: a connection made as a test would become part of the drain.
    ///
    /// - Parameter connections: number of open connections, with two sockets each.
    fileprivate func refuses(
        with connections: Int,
        at location: SourceLocation = #_sourceLocation
    ) async throws {
        try await eventually("end of listening", at: location) {
            // A connection may have pipes in addition to its sockets.
            let pipes = try process.pipeCount - pipesAtStart
            let closed = listeners + (metrics == nil ? 0 : 1)
            return try process.socketCount - pipes <= socketsAtStart - closed + 2 * connections
        }
        #expect(throws: SystemFailure("connect", code: ECONNREFUSED), sourceLocation: location) { try connect() }
    }
}

/// Two threads, each with its own listening socket.
private let listeners = 2
