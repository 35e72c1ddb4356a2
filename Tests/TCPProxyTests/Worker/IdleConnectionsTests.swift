import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Closing of idle connections")
struct IdleConnectionsTests {
    @Test("the connections of a server are found with the time since their last bytes")
    func idleTimes() throws {
        try withProxy(configure: { $0.timeouts.idle = .seconds(3600) }) { proxy in
            let clients = (0..<3).map { _ in
                let client = proxy.connect()
                client.send("hello")
                proxy.advance(by: .seconds(10))
                return client
            }
            clients[0].send("more")
            proxy.settle()
            let serial = proxy.pools.entries[0].servers[0].serial
            let answer = proxy[0].worker.idleConnections(of: serial)
            #expect(answer.total == 3)
            #expect(answer.idle.map(\.idle) == [.zero, .seconds(20), .seconds(10)])
            #expect(proxy[0].worker.idleConnections(of: serial + 1).total == 0)
        }
    }

    @Test("an idle connection is closed with a FIN to both sides")
    func close() throws {
        try withProxy { proxy in
            let clients = (0..<2).map { _ in
                let client = proxy.connect()
                client.send("hello")
                proxy.settle()
                return client
            }
            let serial = proxy.pools.entries[0].servers[0].serial
            let found = proxy[0].worker.idleConnections(of: serial)
            #expect(proxy[0].worker.closeIdle([found.idle[0].id]) == 1)
            proxy.settle()
            #expect(clients.map(\.end) == [.fin, nil])
            #expect(proxy.server.connections.map(\.end) == [.fin, nil])
            #expect(proxy.server.connections.map(\.text) == ["hello", "hello"])
            #expect(proxy.closures == [.by(.proxy, .forced): 1])
            #expect(proxy[0].worker.closeIdle([found.idle[0].id]) == 0)
        }
    }

    /// The choice is made before the message arrives: bytes may have arrived since.
    @Test("a connection with unread bytes is not closed")
    func busy() throws {
        try withProxy { proxy in
            let client = proxy.connect()
            client.send("hello")
            proxy.settle()
            let serial = proxy.pools.entries[0].servers[0].serial
            let found = proxy[0].worker.idleConnections(of: serial)
            client.send("request")
            #expect(proxy[0].worker.closeIdle(Set(found.idle.map(\.id))) == 0)
            #expect(proxy[0].worker.idleConnections(of: serial).idle.isEmpty)
            proxy.settle()
            #expect(proxy.server.connections[0].text == "hellorequest" && client.end == nil)
        }
    }
}
