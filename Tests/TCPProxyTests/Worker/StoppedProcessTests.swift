import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

/// What a worker does with timeouts that have passed while the process was stopped (SIGSTOP, a frozen cgroup).
@Suite("Timeouts after the process was stopped")
struct StoppedProcessTests {
    /// The number of events of one wait: fewer than there are connections.
    private let batch = 4
    private let stop = Duration.milliseconds(3_500)

    private func busy(_ peer: FakePeer, in proxy: FakeProxy, for duration: Duration) {
        var delay = Duration.zero
        while delay < duration {
            proxy.world.plan(after: delay) { peer.send("x") }
            delay += .milliseconds(100)
        }
    }

    @Test("busy connections are not closed as idle", arguments: [true, false])
    func idle(isInterrupted: Bool) throws {
        try withProxy(batch: batch, configure: { $0.timeouts.idle = .seconds(2) }) { proxy in
            var clients: [FakePeer] = []
            for _ in 0..<20 { clients.append(try proxy.connectThrough().client) }
            for client in clients { busy(client, in: proxy, for: stop) }
            proxy.stop(for: stop, isInterrupted: isInterrupted)
            #expect(proxy.active == 20)
            proxy.advance(by: .seconds(2) - .milliseconds(1))
            #expect(proxy.active == 20)
            proxy.advance(by: .milliseconds(1))
            #expect(proxy.closures == [.by(.proxy, .idleTimeout): 20])
        }
    }

    @Test("busy connections are not closed as idle by timeouts that apply while events are left")
    func manyEvents() throws {
        let count = 2 * PollBacklog.maxFullBatches
        try withProxy(limit: count, batch: 1, configure: { $0.timeouts.idle = .seconds(2) }) { proxy in
            var clients: [FakePeer] = []
            for _ in 0..<count { clients.append(try proxy.connectThrough().client) }
            for client in clients { proxy.world.plan(after: .seconds(1)) { client.send("x") } }
            proxy.stop(for: stop)
            #expect(proxy.active == count)
            #expect(proxy.server.connections.allSatisfy { $0.text == "x" })
        }
    }

    @Test("a half-closed connection whose open direction is busy is not closed")
    func halfClose() throws {
        try withProxy(batch: batch, configure: { $0.timeouts.halfClose = .seconds(2) }) { proxy in
            var servers: [FakePeer] = []
            for _ in 0..<20 {
                let (client, server) = try proxy.connectThrough()
                client.finish()
                servers.append(server)
            }
            proxy.settle()
            for server in servers { busy(server, in: proxy, for: stop) }
            proxy.stop(for: stop)
            #expect(proxy.active == 20)
            #expect(proxy.closures == [:])
        }
    }

    @Test("a FIN that arrived in time ends the connection, not the idle timeout")
    func finished() throws {
        try withProxy(batch: 1, configure: { $0.timeouts.idle = .seconds(2) }) { proxy in
            for _ in 0..<8 {
                let (client, server) = try proxy.connectThrough()
                proxy.world.plan(after: .seconds(1)) {
                    client.close()
                    server.close()
                }
            }
            proxy.stop(for: stop)
            #expect(proxy.active == 0)
            #expect(proxy.closures.keys.allSatisfy { $0.reason == .ended })
        }
    }

    @Test("a PROXY header that arrived in time is accepted")
    func preread() throws {
        let trust = trusting(.required)
        let configure = { (settings: inout SingleListenerSettings) in
            trust(&settings)
            settings.timeouts.preread = .seconds(2)
        }
        try withProxy(batch: batch, configure: configure) { proxy in
            let clients = (0..<20).map { _ in proxy.connect(from: trustedProxy) }
            proxy.settle()
            for client in clients {
                proxy.world.plan(after: .seconds(1)) {
                    client.send(headerLine + "hello")
                }
            }
            proxy.stop(for: stop)
            #expect(proxy.server.connections.count == 20)
            #expect(proxy.server.connections.allSatisfy { $0.text == "hello" })
            #expect(proxy.closures == [:])
        }
    }

    @Test("an attempt that succeeded in time does not count as a timeout")
    func connect() throws {
        try withProxy(batch: batch, configure: { $0.timeouts.connectAttempt = .seconds(2) }) { proxy in
            proxy.server.answer = .accept(after: .seconds(1))
            for _ in 0..<20 { _ = proxy.connect() }
            proxy.settle()
            proxy.stop(for: stop)
            #expect(proxy.active == 20)
            #expect(proxy.server.connections.count == 20)
            #expect(proxy[.failure(.timeout)] == 0)
        }
    }

    @Test("all attempts together that succeeded in time do not count as a timeout")
    func connectInTotal() throws {
        try withProxy(
            batch: batch,
            configure: {
                $0.timeouts.connectAttempt = nil
                $0.timeouts.connect = .seconds(2)
            }
        ) { proxy in
            proxy.server.answer = .accept(after: .seconds(1))
            for _ in 0..<20 { _ = proxy.connect() }
            proxy.settle()
            proxy.stop(for: stop)
            #expect(proxy.active == 20)
            #expect(proxy[.failure(.timeout)] == 0)
            #expect(proxy.closures == [:])
        }
    }

    @Test("a queued client gets a slot that became free in time")
    func queue() throws {
        try withProxy(
            pool: {
                $0.policy = .roundRobin
                $0.queueLimit = 8
                $0.servers[0].maxConnections = 1
                $0.queueTimeout = .seconds(2)
            },
            batch: 1
        ) { proxy in
            let (first, server) = try proxy.connectThrough()
            let second = proxy.connect()
            proxy.settle()
            #expect(proxy.server.connections.count == 1)
            proxy.world.plan(after: .seconds(1)) {
                first.close()
                server.close()
            }
            proxy.stop(for: stop)
            #expect(proxy.server.connections.count == 2)
            #expect(second.end == nil)
        }
    }
}
