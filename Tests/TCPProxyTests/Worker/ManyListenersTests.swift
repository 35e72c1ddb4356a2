import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

/// The work for a connection must not grow with the number of listeners and pools; counted in system calls.
@Suite("Many listeners and pools on a worker")
struct ManyListenersTests {
    private func address(_ number: Int) -> SocketAddress { SocketAddress("127.0.0.1:\(10_000 + number)") }

    /// Opens listeners with the numbers 1 to `count`.
    private func add(_ count: Int, to proxy: FakeProxy) throws {
        let settings = ListenerSettings(ListenerConfiguration(address: .socket(address(0))), pool: 0)
        let listeners = (1...count).map { number in
            FakeProxy.Wanted(number: number, address: address(number), settings: settings)
        }
        _ = try proxy.change(listeners: listeners)
        proxy.settle()
    }

    /// Lets a client wait until a first connection has ended, and checks that it is served then.
    ///
    /// - Parameter check: runs while the client waits.
    private func serveNext(
        after first: FakePeer,
        _ server: FakePeer,
        _ proxy: FakeProxy,
        check: () -> Void = {}
    ) {
        let next = proxy.world.connect(to: address(1))
        next.send("next")
        proxy.settle()
        #expect(proxy.total == 1)
        check()
        first.close()
        server.close()
        proxy.settle()
        #expect(proxy.server.connections.last?.text == "next")
    }

    /// Returns the number of system calls of the process during `body`.
    private func calls(_ proxy: FakeProxy, _ body: () -> Void) -> Int {
        let before = proxy.world.calls
        body()
        return proxy.world.calls - before
    }

    @Test("a connection takes the same system calls beside 1 and beside 1,000 listeners")
    func connection() throws {
        var counts: [Int] = []
        for listeners in [1, 1_000] {
            try withProxy { proxy in
                try add(listeners, to: proxy)
                counts.append(
                    calls(proxy) {
                        let client = proxy.world.connect(to: address(1))
                        client.send("hello")
                        proxy.settle()
                        #expect(proxy.server.connections.last?.text == "hello")
                    }
                )
            }
        }
        #expect(counts[0] == counts[1])
    }

    @Test("at the connection limit, serving the next client takes the same system calls beside 1 and 1,000 listeners")
    func connectionLimit() throws {
        var counts: [Int] = []
        for listeners in [1, 1_000] {
            try withProxy(limit: 1) { proxy in
                try add(listeners, to: proxy)
                let (first, server) = try proxy.connectThrough()
                counts.append(
                    calls(proxy) {
                        serveNext(after: first, server, proxy) {
                            #expect(proxy[.pause(.connections)] == 1)
                        }
                    }
                )
            }
        }
        #expect(counts[0] == counts[1])
    }

    @Test("out of descriptors, serving the next client takes the same system calls beside 1 and 1,000 listeners")
    func descriptorLimit() throws {
        var counts: [Int] = []
        let world = { () -> FakeWorld in
            let world = FakeWorld()
            world.descriptorLimit = 10_000
            return world
        }
        for listeners in [1, 1_000] {
            try withProxy(in: world()) { proxy in
                try add(listeners, to: proxy)
                let (first, server) = try proxy.connectThrough()
                proxy.world.descriptorLimit = proxy.world.openDescriptors.count
                counts.append(
                    calls(proxy) {
                        serveNext(after: first, server, proxy)
                    }
                )
            }
        }
        #expect(counts[0] == counts[1])
    }

    @Test("at the connection limit, the clients of all listeners are served in turn, each with a few system calls")
    func turns() throws {
        let count = 200
        try withProxy(limit: 1) { proxy in
            try add(count, to: proxy)
            var (client, server) = try proxy.connectThrough()
            let clients = (1...count).map { number in
                let client = proxy.world.connect(to: address(number))
                client.send("\(number)")
                return client
            }
            proxy.settle()
            #expect(proxy.total == 1)
            let calls = calls(proxy) {
                for number in 1...count {
                    client.close()
                    server.close()
                    proxy.settle()
                    #expect(proxy.server.connections.last?.text == "\(number)")
                    (client, server) = (clients[number - 1], proxy.server.connections[number])
                }
            }
            #expect(proxy.total == count + 1)
            #expect(calls < 40 * count)
        }
    }

    @Test("a listener that is removed or changed while it holds clients does not lose them", arguments: [true, false])
    func heldAcrossChange(isRemoved: Bool) throws {
        try withProxy(limit: 1) { proxy in
            try add(2, to: proxy)
            let (first, server) = try proxy.connectThrough()
            let next = proxy.world.connect(to: address(1))
            next.send("next")
            proxy.settle()
            #expect(proxy.total == 1)
            if isRemoved {
                _ = try proxy.change(version: 2, closed: [1])
            } else {
                let settings = ListenerSettings(ListenerConfiguration(address: .socket(address(0))), pool: 0)
                let moved = FakeProxy.Wanted(number: 3, address: nil, former: 1, settings: settings)
                _ = try proxy.change(version: 2, listeners: [moved])
            }
            proxy.settle()
            first.close()
            server.close()
            proxy.advance(by: .seconds(1))
            #expect(proxy.server.connections.last?.text == "next")
            #expect(proxy.world.abandoned == 0)
        }
    }

    @Test("1,000 pools with waiting clients share one table of links")
    func queues() throws {
        try withProxy(pool: { $0.queueLimit = 10 }) { proxy in
            let plan = proxy.pools.entries[0].plan
            // Allocates nothing that depends on the number of connections: their maximum times 1,000 would not fit.
            for number in 1...1_000 {
                var other = plan
                other.share = proxy.memory.pools[number]
                proxy.post(.pool(other, at: number, nil))
                proxy.settle()
            }
            _ = try proxy.connectThrough()
        }
    }
}
