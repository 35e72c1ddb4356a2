import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Half-closed connections: slots at servers, and closing")
struct HalfClosePermitTests {
    /// Runs a proxy whose only server takes one connection.
    private func withFullServer(
        configure: (inout SingleListenerSettings) -> Void = { _ in },
        _ body: (FakeProxy) throws -> Void
    ) throws {
        try withProxy(
            pool: { pool in
                pool.policy = .leastConnections
                pool.servers[0].maxConnections = 1
            },
            configure: configure,
            body
        )
    }

    private func connections(_ proxy: FakeProxy) -> Int { proxy.pools.entries[0].servers[0].share.connections }

    @Test("a server that has closed takes the next client, although the client keeps its side open")
    func closedServer() throws {
        try withFullServer { proxy in
            let (idle, server) = try proxy.connectThrough()
            idle.send("question")
            proxy.settle()
            let waiting = proxy.connect()
            proxy.settle()
            #expect(proxy.server.connections.count == 1)
            server.send("bye")
            server.finish()
            proxy.settle()
            #expect(idle.text == "bye")
            #expect(idle.end == .fin)
            #expect(proxy.server.connections.count == 2)
            proxy.server.connections[1].send("hello")
            proxy.settle()
            #expect(waiting.text == "hello")
            #expect(connections(proxy) == 1)
            // The first connection is still relayed, and ends without a second release.
            idle.send("more")
            proxy.settle()
            #expect(server.text == "questionmore")
            idle.finish()
            proxy.settle()
            #expect(connections(proxy) == 1)
            #expect(proxy.closures == [.by(.server, .ended): 1])
        }
    }

    @Test("a slot is kept until bytes for the server have been sent, and while only the client has ended")
    func unfinished() throws {
        try withProxy(in: .small(receiveBuffer: 1000, sendBuffer: 1000), pool: { $0.policy = .leastConnections }) {
            proxy in
            let (client, server) = try proxy.connectThrough()
            client.finish()
            proxy.settle()
            #expect(connections(proxy) == 1)
            server.finish()
            proxy.settle()
            #expect(connections(proxy) == 0)
            let (second, slow) = try proxy.connectThrough()
            slow.isReading = false
            second.sendPattern(count: 5000)
            proxy.settle()
            slow.finish()
            proxy.settle()
            #expect(connections(proxy) == 1)
            slow.isReading = true
            proxy.advance(by: .seconds(1))
            #expect(slow.patternReceived == 5000)
            #expect(connections(proxy) == 0)
        }
    }

    @Test("a server that was reset releases its slot while its last bytes are delivered to a slow client")
    func resetServer() throws {
        try withProxy(in: .small(receiveBuffer: 1000, sendBuffer: 1000), pool: { $0.policy = .leastConnections }) {
            proxy in
            let (client, server) = try proxy.connectThrough()
            client.isReading = false
            server.sendPattern(count: 1500)
            proxy.settle()
            server.reset()
            proxy.settle()
            #expect(client.end == nil)
            #expect(connections(proxy) == 0)
        }
    }

    @Test("a removed server is kept as long as a connection without a slot refers to it")
    func removedServer() throws {
        try withProxy(pool: { $0.policy = .leastConnections }) { proxy in
            let (client, server) = try proxy.connectThrough()
            server.finish()
            proxy.settle()
            let share = proxy.pools.entries[0].servers[0].share
            try proxy.change(to: [SocketAddress("10.0.0.9:80")])
            proxy.settle()
            proxy.pools.collect()
            #expect(share.connections == 0)
            #expect(share.isReferenced)
            #expect(proxy.pools.server(share.serial) != nil)
            client.finish()
            proxy.settle()
            #expect(!share.isReferenced)
            proxy.pools.collect()
        }
    }

    @Test(
        "with half-close: close, EOF from either side closes the connection after its bytes",
        arguments: [false, true]
    )
    func closes(isServer: Bool) throws {
        try withProxy(configure: { $0.halfClose = .close }) { proxy in
            let (client, server) = try proxy.connectThrough()
            let (first, other) = isServer ? (server, client) : (client, server)
            other.send("hello")
            proxy.settle()
            first.sendPattern(count: 50_000)
            first.finish()
            proxy.advance(by: .seconds(1))
            #expect(other.patternReceived == 50_000)
            #expect(other.end == .fin)
            #expect(first.text == "hello")
            #expect(first.end == .fin)
            #expect(proxy.active == 0)
            #expect(proxy.closures == [.by(isServer ? .server : .client, .ended): 1])
        }
    }

    @Test("with half-close: close, a slow reader gets every byte first; a stalled one is given up")
    func slowReader() throws {
        try withProxy(in: .small(receiveBuffer: 1000, sendBuffer: 1000), configure: { $0.halfClose = .close }) {
            proxy in
            let (client, server) = try proxy.connectThrough()
            server.isReading = false
            client.sendPattern(count: 1500)
            client.finish()
            proxy.advance(by: .seconds(1))
            #expect(proxy.active == 1)
            server.isReading = true
            proxy.advance(by: .seconds(1))
            #expect(server.patternReceived == 1500)
            #expect(proxy.active == 0)
            let (second, stalled) = try proxy.connectThrough()
            stalled.isReading = false
            second.sendPattern(count: 1500)
            second.finish()
            proxy.advance(by: .seconds(20))
            #expect(proxy.active == 0)
        }
    }
}
