import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Access control")
struct AccessControlTests {
    /// Connects a client that sends a greeting.
    private func connect(_ source: String, to proxy: FakeProxy, on worker: Int? = nil) -> FakePeer {
        let client = proxy.connect(from: PeerAddress(source), to: worker)
        client.send("hello")
        proxy.settle()
        return client
    }

    private func block(_ text: String) throws -> CIDRBlock { try CIDRBlock(parsing: text) }

    @Test("a client with a denied address is reset, and no server is contacted")
    func accessList() throws {
        let access = try AccessList(allow: [block("192.0.2.0/24")], deny: [block("192.0.2.128/25")])
        try withProxy(configure: { $0.accessPolicy.access = access }) { proxy in
            #expect(connect("192.0.2.1:1000", to: proxy).end == nil)
            #expect(connect("192.0.2.129:1000", to: proxy).end == .failed(.connectionReset))
            #expect(connect("198.51.100.1:1000", to: proxy).end == .failed(.connectionReset))
            #expect(proxy.server.connections.count == 1)
            #expect(proxy.denied == [.address: 2])
            #expect(proxy[.denied(.address)] == 2)
            // No other counter includes them.
            #expect(proxy.total == 1)
            #expect(proxy.active == 1)
            #expect(proxy.memory.connectionLimiter.taken == 1)
            #expect(proxy.memory.loads[0] == 1)
        }
    }

    @Test("connections per client are limited across workers, and ended ones are replaced")
    func connectionsPerClient() throws {
        try withProxy(workers: 3, configure: { $0.accessPolicy.maxConnectionsPerClient = 2 }) { proxy in
            let first = connect("192.0.2.1:1000", to: proxy, on: 0)
            _ = connect("192.0.2.1:1001", to: proxy, on: 1)
            #expect(connect("192.0.2.1:1002", to: proxy, on: 2).end == .failed(.connectionReset))
            #expect(connect("192.0.2.2:1000", to: proxy, on: 2).end == nil)
            #expect(proxy.denied == [.clientConnections: 1])
            proxy.reset(first)
            #expect(connect("192.0.2.1:1003", to: proxy, on: 2).end == nil)
            #expect(proxy.denied == [.clientConnections: 1])
        }
    }

    @Test("addresses of one IPv6 /64 network count as one client")
    func network() throws {
        try withProxy(configure: { $0.accessPolicy.maxConnectionsPerClient = 1 }) { proxy in
            #expect(connect("[2001:db8::1]:1000", to: proxy).end == nil)
            #expect(connect("[2001:db8::2]:1000", to: proxy).end == .failed(.connectionReset))
            #expect(connect("[2001:db8:0:1::1]:1000", to: proxy).end == nil)
        }
    }

    @Test("connections per listener are limited across workers, and ended ones are replaced")
    func connections() throws {
        try withProxy(workers: 2, configure: { $0.accessPolicy.maxConnections = 2 }) { proxy in
            let accepted = (0..<2).map { connect("192.0.2.\($0 + 1):1000", to: proxy, on: $0) }
            #expect(connect("192.0.2.3:1000", to: proxy, on: 1).end == .failed(.connectionReset))
            #expect(proxy.denied == [.connections: 1])
            proxy.reset(accepted[0])
            #expect(connect("192.0.2.3:1001", to: proxy, on: 1).end == nil)
            #expect(proxy.memory.limits[0].connections == 2)
        }
    }

    @Test("the connection rate is limited per client and per listener")
    func rates() throws {
        try withProxy(
            configure: { configuration in
                configuration.accessPolicy.ratePerClient = TokenRate(1, burst: 2)
                configuration.accessPolicy.rate = TokenRate(10, burst: 3)
            }
        ) { proxy in
            for port in 1000..<1003 { _ = connect("192.0.2.1:\(port)", to: proxy) }
            #expect(proxy.denied == [.clientRate: 1])
            _ = connect("192.0.2.2:1000", to: proxy)
            #expect(connect("192.0.2.3:1000", to: proxy).end == .failed(.connectionReset))
            #expect(proxy.denied == [.clientRate: 1, .rate: 1])
            proxy.advance(by: .seconds(1))
            #expect(connect("192.0.2.1:1004", to: proxy).end == nil)
            #expect(connect("192.0.2.1:1005", to: proxy).end == .failed(.connectionReset))
            #expect(proxy.denied == [.clientRate: 2, .rate: 1])
        }
    }

    @Test("a connection denied by the listener does not count against its client's limit")
    func givenBack() throws {
        try withProxy(
            configure: { configuration in
                configuration.accessPolicy.maxConnections = 1
                configuration.accessPolicy.maxConnectionsPerClient = 1
            }
        ) { proxy in
            let first = connect("192.0.2.1:1000", to: proxy)
            #expect(connect("192.0.2.2:1000", to: proxy).end == .failed(.connectionReset))
            first.reset()
            proxy.settle()
            #expect(connect("192.0.2.2:1001", to: proxy).end == nil)
            #expect(proxy.denied == [.connections: 1])
        }
    }

    @Test("limits apply to handed-over connections, and are released however a connection ends")
    func ends() throws {
        try withProxy(
            workers: 2,
            configure: { configuration in
                configuration.accessPolicy.maxConnectionsPerClient = 4
                configuration.accessPolicy.maxConnections = 8
            }
        ) { proxy in
            // All are accepted by one worker, which hands some over.
            let clients = (0..<4).map { connect("192.0.2.1:\(1000 + $0)", to: proxy, on: 0) }
            #expect(proxy[1].connectionCount > 0)
            #expect(connect("192.0.2.1:2000", to: proxy, on: 1).end == .failed(.connectionReset))
            clients[0].reset()
            clients[1].close()
            proxy.server.connections[2].reset()
            proxy.settle()
            for connection in proxy.server.connections { connection.close() }
            proxy.settle()
            clients[3].close()
            proxy.settle()
            #expect(proxy.active == 0)
            #expect(proxy.memory.limits[0].connections == 0)
            #expect(proxy.memory.limits[0].clients.figures.clients == 0)
        }
    }

    @Test("limits that are only counted deny no connection, and access lists still do")
    func dryRun() throws {
        let access = try AccessList(deny: [block("192.0.2.9/32")])
        try withProxy(
            configure: { configuration in
                configuration.accessPolicy.access = access
                configuration.accessPolicy.maxConnections = 2
                configuration.accessPolicy.maxConnectionsPerClient = 1
                configuration.accessPolicy.rate = TokenRate(1, burst: 4)
                configuration.accessPolicy.limitsDryRun = true
            }
        ) { proxy in
            let clients =
                (0..<3).map { _ in connect("192.0.2.1:1000", to: proxy) } + [connect("192.0.2.2:1", to: proxy)]
            #expect(connect("192.0.2.9:1", to: proxy).end == .failed(.connectionReset))
            #expect(proxy.server.connections.count == 4)
            #expect(proxy.denied == [.address: 1])
            #expect(proxy[.dryRun(.clientConnections)] == 2)
            #expect(proxy[.dryRun(.connections)] == 2)
            #expect(proxy[.dryRun(.rate)] == 0)
            _ = connect("192.0.2.3:1", to: proxy)
            #expect(proxy[.dryRun(.rate)] == 1)
            for client in clients { client.close() }
            proxy.settle()
        }
    }

    @Test("denied connections are counted for their client, and kept as examples")
    func deniedClients() throws {
        try withProxy(configure: { $0.accessPolicy.maxConnectionsPerClient = 1 }) { proxy in
            for port in 1000..<1100 { _ = connect("192.0.2.1:\(port)", to: proxy) }
            _ = connect("192.0.2.2:1", to: proxy)
            let statistics = proxy[0].worker.clientStatistics()
            let entry = try #require(statistics.closed.first { $0.address == PeerAddress("192.0.2.1:0") })
            #expect(entry.denied == 99)
            #expect(entry.total == 0)
            #expect(statistics.closed.count == 1)
            let snapshot = ClientsSnapshot([statistics])
            #expect(snapshot.clients.map(\.deniedConnections).reduce(0, +) == 99)
            #expect(snapshot.clients.map(\.totalConnections).reduce(0, +) == 2)
            var examples: [Denial] = []
            proxy.memory.denials[0].read(into: &examples, limit: .max)
            #expect(examples.count == WorkerSettings.maxDenialExamples)
            #expect(examples.allSatisfy { $0.cause == .clientConnections && $0.listener == 0 })
        }
    }

    @Test("a client without an available server is released from its limit")
    func refused() throws {
        try withProxy(configure: { $0.accessPolicy.maxConnectionsPerClient = 1 }) { proxy in
            proxy.server.answer = .fail(.connectionRefused)
            for port in 1000..<1003 {
                #expect(connect("192.0.2.1:\(port)", to: proxy).end == .failed(.connectionReset))
            }
            #expect(proxy.denied == [:])
            #expect(proxy[.refused] == 3)
        }
    }
}
