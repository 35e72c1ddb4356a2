import FakeSystem
import ProcessSupport
import Sockets
import TLS
import Testing

@testable import TCPProxy

@Suite("Connection records")
struct ConnectionRecordTests {
    /// Runs a proxy that records connections, with servers that take 30 ms to connect to.
    private func withRecords(
        upstreams: Int = 1,
        pool: (inout PoolConfiguration) -> Void = { _ in },
        configure: (inout SingleListenerSettings) -> Void = { _ in },
        _ body: (FakeProxy) throws -> Void
    ) throws {
        try withProxy(
            upstreams: upstreams,
            pool: pool,
            configure: { configuration in
                configuration.recordsConnections = true
                configure(&configuration)
            }
        ) { proxy in
            for server in proxy.servers { server.answer = .accept(after: .milliseconds(30)) }
            try body(proxy)
        }
    }

    /// Lets clients wait at most a second for the connection of another client to end.
    private func briefQueue(_ pool: inout PoolConfiguration) {
        pool.limitServers()
        pool.queueTimeout = .seconds(1)
    }

    private func record(_ proxy: FakeProxy) throws -> ConnectionRecord {
        let records = proxy.takeRecords()
        try #require(records.count == 1)
        return records[0]
    }

    @Test("a record has the client, bytes, times and the close reason")
    func ended() throws {
        try withRecords { proxy in
            let start = proxy.world.clock
            let alice = PeerAddress("192.0.2.1:50000")
            let client = proxy.connect(from: alice)
            proxy.advance(by: .milliseconds(40))
            client.send("hello")
            proxy.advance(by: .milliseconds(10))
            proxy.server.connections[0].send("hi")
            proxy.advance(by: .milliseconds(5))
            proxy.server.connections[0].send(" again")
            proxy.advance(by: .milliseconds(5))
            #expect(proxy.takeRecords().isEmpty)
            client.close()
            proxy.server.connections[0].close()
            proxy.settle()
            let record = try record(proxy)
            #expect(record.client == alice)
            #expect(record.listener == 0)
            #expect(record.server.flatMap { proxy.pools.server($0) }?.name == "10.0.0.1:80")
            #expect(record.attempts == 1)
            #expect(record.bytesUpstream == 5)
            #expect(record.bytesDownstream == 8)
            #expect(record.openedAt == start)
            #expect(record.closedAt == start + .milliseconds(60))
            #expect(record.phaseTimings.queued == 0)
            #expect(record.phaseTimings.connected == 30_000)
            #expect(record.phaseTimings.firstByte == 50_000)
            #expect(record.reason == .ended)
            #expect(record.initiator == .client)
        }
    }

    @Test("a record without a connection names the last server tried, or none")
    func refused() throws {
        try withRecords(upstreams: 2) { proxy in
            for server in proxy.servers { server.answer = .fail(.connectionRefused, after: .milliseconds(2)) }
            _ = proxy.connect()
            proxy.advance(by: .milliseconds(10))
            let record = try record(proxy)
            #expect(record.server.flatMap { proxy.pools.server($0) }?.address == proxy.servers[1].address)
            #expect(record.attempts == 2)
            #expect(record.phaseTimings.connected == 0)
            #expect(record.phaseTimings.firstByte == 0)
            #expect(record.closedAt.since(record.openedAt) == .milliseconds(4))
            #expect(record.reason == .connectFailed)
        }
    }

    @Test("a server that is silent until the connect deadline is named")
    func silent() throws {
        try withRecords(configure: { $0.timeouts.connect = .seconds(1) }) { proxy in
            proxy.server.answer = .silence
            _ = proxy.connect()
            proxy.advance(by: .seconds(2))
            let record = try record(proxy)
            #expect(record.server.flatMap { proxy.pools.server($0) }?.name == "10.0.0.1:80")
            #expect(record.reason == .connectFailed)
        }
    }

    @Test("queueing time is recorded separately, even if it ends without a server")
    func queued() throws {
        try withRecords(pool: briefQueue) { proxy in
            let first = proxy.connect()
            proxy.advance(by: .milliseconds(100))
            let second = proxy.connect()
            proxy.advance(by: .milliseconds(20))
            _ = proxy.connect()
            proxy.advance(by: .milliseconds(180))
            first.reset()
            proxy.advance(by: .milliseconds(100))
            second.reset()
            proxy.settle()
            let records = proxy.takeRecords()
            #expect(records.map(\.phaseTimings.queued) == [0, 200_000])
            #expect(records.map(\.phaseTimings.connected) == [30_000, 230_000])
            #expect(records.map(\.reason) == [.reset, .reset])
            #expect(records.map(\.initiator) == [.client, .client])
        }
        try withRecords(pool: briefQueue) { proxy in
            _ = proxy.connect()
            _ = proxy.connect()
            proxy.advance(by: .seconds(3))
            let record = try record(proxy)
            #expect(record.phaseTimings.queued == 1_000_000)
            #expect(record.phaseTimings.connected == 0)
            #expect(record.server == nil)
        }
    }

    @Test("a removed server is still named in its last connection's record")
    func goneServer() throws {
        try withRecords(upstreams: 2, pool: { $0.policy = .first }) { proxy in
            let client = proxy.connect()
            proxy.advance(by: .milliseconds(40))
            try proxy.change(to: [SocketAddress("10.0.0.2:80")])
            proxy.settle()
            client.reset()
            proxy.settle()
            proxy.pools.collect()
            // The next server gets the index of the removed one.
            try proxy.change(to: [SocketAddress("10.0.0.2:80"), SocketAddress("10.0.0.3:80")])
            proxy.settle()
            #expect(try record(proxy).server.flatMap { proxy.pools.server($0) }?.name == "10.0.0.1:80")
        }
    }

    @Test("no records are kept without a reader, and those that do not fit are dropped and counted")
    func bounds() throws {
        try withProxy { proxy in
            _ = try proxy.connectThrough()
            proxy.post(.closeAll)
            proxy.settle()
            #expect(proxy.memory.records == nil)
            #expect(proxy[.recordsDropped] == 0)
        }
        try withRecords { proxy in
            proxy.server.answer = .failAtOnce(.connectionRefused)
            for _ in 0..<(EventRing<ConnectionRecord>.capacity + 3) {
                _ = proxy.connect()
                proxy.settle()
            }
            #expect(proxy[.recordsDropped] == 3)
            #expect(proxy.takeRecords().count == EventRing<ConnectionRecord>.capacity)
        }
    }

    @Test("descriptions of TLS are released when records are read, and with records that are never read")
    func references() throws {
        weak var read: TLSRecord?
        weak var unread: TLSRecord?
        try withRecords { proxy in
            let ring = try #require(proxy.memory.records?.first)
            var record = made
            record.tls = .passRetained(TLSRecord(client: TLSConnectionInfo(version: .v13, cipher: "X"), server: nil))
            read = record.tls?.takeUnretainedValue()
            #expect(ring.write(record))
            for record in proxy.takeRecords() {
                let named = AccessRecord(record, listener: "", pool: "", server: nil, WallClockConverter())
                #expect(named.clientTLS?.cipher == "X")
                #expect(named.serverTLS == nil)
            }
            #expect(read == nil)
            record.tls = .passRetained(TLSRecord(client: nil, server: nil))
            unread = record.tls?.takeUnretainedValue()
            #expect(ring.write(record))
            #expect(unread != nil)
        }
        #expect(unread == nil)
    }

    private var made: ConnectionRecord {
        ConnectionRecord(
            id: ConnectionID(worker: 1, count: 2),
            client: .unix,
            server: nil,
            listener: 0,
            pool: 0,
            attempts: 3,
            bytesUpstream: 4,
            bytesDownstream: 5,
            openedAt: Instant(nanoseconds: 1_000_000_000),
            closedAt: Instant(nanoseconds: 3_500_000_000),
            phaseTimings: PhaseTimings(queued: 200, connected: 500, firstByte: 0),
            reason: .reset,
            initiator: .server
        )
    }

    @Test("the control plane resolves names and durations")
    func named() {
        let named = AccessRecord(made, listener: "web", pool: "servers", server: "db1", WallClockConverter())
        #expect(named.queued == .microseconds(200))
        #expect(named.connecting == .microseconds(300))
        #expect(named.firstByte == nil)
        #expect(named.total == .milliseconds(2500))
        #expect(named.listener == "web" && named.pool == "servers" && named.server == "db1")
    }
}
