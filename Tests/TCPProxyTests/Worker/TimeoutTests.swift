import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Timeouts of connections")
struct TimeoutTests {
    private let moment = Duration.milliseconds(1)

    /// Expects that the only connection is closed after a time, to the millisecond.
    private func expectClose(
        of proxy: FakeProxy,
        after time: Duration,
        _ reason: CloseReason,
        at location: SourceLocation = #_sourceLocation
    ) {
        proxy.advance(by: time - moment)
        #expect(proxy.active == 1, sourceLocation: location)
        proxy.advance(by: moment)
        #expect(proxy.active == 0, sourceLocation: location)
        #expect(proxy.closures == [.by(.proxy, reason): 1], sourceLocation: location)
    }

    /// Returns the ends of a connection that its client half-closed after an idle time.
    private func halfClosed(_ proxy: FakeProxy, after time: Duration) throws -> (client: FakePeer, server: FakePeer) {
        let (client, server) = try proxy.connectThrough()
        proxy.advance(by: time)
        client.finish()
        proxy.settle()
        #expect(server.end == .fin)
        return (client, server)
    }

    @Test("with jitter, lifetimes end at different times, none later than without")
    func lifetimeJitter() throws {
        try withProxy(
            configure: { configuration in
                configuration.timeouts.lifetime = .seconds(100)
                configuration.timeouts.lifetimeJitter = 10
            }
        ) { proxy in
            for _ in 0..<50 {
                _ = proxy.connect()
                proxy.settle()
            }
            proxy.advance(by: .milliseconds(89_900))
            #expect(proxy.active == 50)
            var numbers: Set<Int> = []
            for _ in 0..<10 {
                proxy.advance(by: .seconds(1))
                numbers.insert(proxy.active)
            }
            #expect(numbers.count > 5)
            proxy.advance(by: .milliseconds(200))
            #expect(proxy.active == 0)
            #expect(proxy.closures == [.by(.proxy, .lifetime): 50])
        }
    }

    @Test("without timeouts an idle connection never wakes a worker")
    func none() throws {
        try withProxy(configure: { $0.timeouts.halfClose = nil }) { proxy in
            let (client, server) = try proxy.connectThrough()
            client.send("hello")
            client.finish()
            proxy.advance(by: WorkerSettings.keepAliveAge)
            #expect(server.end == .fin)
            #expect(proxy[0].nextDeadline == nil)
            let waits = proxy.waits
            proxy.advance(by: .seconds(1_000_000))
            #expect(proxy.waits == waits)
            #expect(proxy.active == 1)
        }
    }

    @Test("a lasting connection enables keep-alive to its server, a short one makes no such call")
    func keepAlive() throws {
        try withProxy { proxy in
            let (client, server) = try proxy.connectThrough()
            let brief = try proxy.connectThrough()
            proxy.advance(by: WorkerSettings.keepAliveAge - moment)
            #expect(!server.hasKeepAlive)
            brief.client.close()
            brief.server.close()
            proxy.advance(by: moment)
            #expect(server.hasKeepAlive)
            #expect(!brief.server.hasKeepAlive)
            #expect(client.end == nil)
        }
        try withProxy(configure: { $0.keepAlive = nil }) { proxy in
            let (_, server) = try proxy.connectThrough()
            #expect(proxy[0].timersLeft == [])
            proxy.advance(by: .seconds(100))
            #expect(!server.hasKeepAlive)
        }
    }

    @Test("idle: a connection is closed after the timeout, to the millisecond")
    func idle() throws {
        try withProxy(configure: { $0.timeouts.idle = .seconds(10) }) { proxy in
            let (client, server) = try proxy.connectThrough()
            expectClose(of: proxy, after: .seconds(10), .idleTimeout)
            #expect(client.end == .failed(.connectionReset))
            #expect(server.end == .failed(.connectionReset))
        }
    }

    @Test("idle: any byte in either direction restarts the timeout", arguments: [true, false])
    func idleExtended(upstream: Bool) throws {
        try withProxy(configure: { $0.timeouts.idle = .seconds(10) }) { proxy in
            let (client, server) = try proxy.connectThrough()
            for _ in 0..<5 {
                proxy.advance(by: .seconds(9))
                if upstream { client.send("x") } else { server.send("x") }
                proxy.settle()
            }
            expectClose(of: proxy, after: .seconds(10), .idleTimeout)
        }
    }

    @Test("idle: bytes moved by a stalled reader that resumes count as activity")
    func idleWhileDraining() throws {
        try withProxy(in: .small(sendBuffer: 4096), configure: { $0.timeouts.idle = .seconds(10) }) { proxy in
            let (client, server) = try proxy.connectThrough()
            client.isReading = false
            server.sendPattern(count: 40_000)
            for _ in 0..<5 {
                proxy.advance(by: .seconds(9))
                client.read(4096)
                proxy.settle()
            }
            #expect(proxy.active == 1)
        }
    }

    @Test("half-close: a connection is closed when the open direction is idle for the timeout")
    func halfClose() throws {
        try withProxy(configure: { $0.timeouts.halfClose = .seconds(10) }) { proxy in
            let (client, server) = try halfClosed(proxy, after: .seconds(1))
            proxy.advance(by: .seconds(9))
            server.send("still here")
            proxy.settle()
            #expect(client.text == "still here")
            expectClose(of: proxy, after: .seconds(10), .halfCloseTimeout)
            #expect(client.end == .failed(.connectionReset))
        }
    }

    @Test("half-close: the timeout starts with the FIN, even after an idle time")
    func halfCloseAfterQuiet() throws {
        try withProxy(configure: { $0.timeouts.halfClose = .seconds(10) }) { proxy in
            let (client, server) = try halfClosed(proxy, after: .seconds(100))
            #expect(proxy.active == 1)
            proxy.advance(by: .seconds(10) - moment)
            #expect(proxy.active == 1)
            proxy.answerAndClose(server, client)
        }
    }

    @Test(
        "half-close: the timeout applies in time even if a longer one is running",
        arguments: [CloseInitiator.client, .server]
    )
    func halfCloseBeforeIdle(side: CloseInitiator) throws {
        try withProxy(configure: {
            $0.timeouts.idle = .seconds(100)
            $0.timeouts.halfClose = .seconds(10)
        }) { proxy in
            let (client, server) = try proxy.connectThrough()
            proxy.advance(by: .seconds(1))
            if side == .client { client.finish() } else { server.finish() }
            expectClose(of: proxy, after: .seconds(10), .halfCloseTimeout)
        }
    }

    @Test("lifetime: even a busy connection is closed")
    func lifetime() throws {
        try withProxy(configure: {
            $0.timeouts.lifetime = .seconds(60)
            $0.timeouts.idle = .seconds(10)
        }) { proxy in
            let (client, server) = try proxy.connectThrough()
            for _ in 0..<59 {
                proxy.advance(by: .seconds(1))
                client.send("x")
                server.send("x")
                proxy.settle()
            }
            expectClose(of: proxy, after: .seconds(1), .lifetime)
            #expect(client.end == .failed(.connectionReset))
        }
    }

    @Test("lifetime: the limit starts at the accept, even without a server")
    func lifetimeWhileDialing() throws {
        try withProxy(configure: { $0.timeouts.lifetime = .seconds(2) }) { proxy in
            proxy.server.answer = .silence
            let client = proxy.connect()
            proxy.advance(by: .seconds(2) - moment)
            #expect(client.end == nil)
            proxy.advance(by: moment)
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.closures == [.by(.proxy, .lifetime): 1])
        }
    }

    @Test("bytes discarded by a timeout are counted")
    func discarded() throws {
        try withProxy(in: .small(), configure: { $0.timeouts.idle = .seconds(10) }) { proxy in
            _ = try proxy.stalledUpload(of: 10_000)
            proxy.advance(by: .seconds(20))
            #expect(proxy.closures == [.by(.proxy, .idleTimeout): 1])
            #expect(proxy[.discardedUpstream] == 10_000 - 4096)
        }
    }

    @Test("many deadlines are each met")
    func many() throws {
        try withProxy(limit: 500, configure: { $0.timeouts.idle = .seconds(10) }) { proxy in
            var connections: [(client: FakePeer, at: Instant)] = []
            for _ in 0..<300 {
                let (client, _) = try proxy.connectThrough()
                connections.append((client, proxy.world.clock))
                proxy.advance(by: .milliseconds(37))
            }
            for (client, at) in connections {
                let due = at + .seconds(10)
                if due > proxy.world.clock + moment {
                    proxy.advance(by: due.since(proxy.world.clock) - moment)
                    #expect(client.end == nil)
                }
                proxy.advance(by: moment)
                #expect(client.end == .failed(.connectionReset))
            }
            #expect(proxy.active == 0)
        }
    }
}
