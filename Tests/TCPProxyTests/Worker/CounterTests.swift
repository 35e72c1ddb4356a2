import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Worker counters")
struct WorkerCounterTests {
    @Test("bytes count once the destination's kernel has accepted them, and only then")
    func bytes() throws {
        try withProxy(in: .small(receiveBuffer: 1000, sendBuffer: 1000)) { proxy in
            let (client, server) = try proxy.connectThrough()
            server.isReading = false
            client.send([UInt8](repeating: 1, count: 5000))
            proxy.settle()
            // A thousand in the server's kernel, and a thousand in the proxy's send buffer.
            #expect(proxy[.bytesUpstream] == 2000)
            server.isReading = true
            proxy.settle()
            #expect(proxy[.bytesUpstream] == 5000)
            #expect(proxy[.bytesDownstream] == 0)
        }
    }

    @Test("counters are summed over the workers")
    func workers() throws {
        try withProxy(workers: 3) { proxy in
            for number in 0..<9 {
                let client = proxy.connect(to: number % 3)
                client.send("hello")
            }
            proxy.settle()
            for server in proxy.server.connections { server.send("hi") }
            proxy.settle()
            #expect(proxy[.bytesUpstream] == 45)
            #expect(proxy[.bytesDownstream] == 18)
            #expect(proxy.memory.pages.map { $0[.bytesUpstream] } == [15, 15, 15])
            #expect(proxy.active == 9)
            #expect(proxy.total == 9)
        }
    }
}

@Suite("Client statistics")
struct ClientStatisticsTests {
    private let alice = PeerAddress("192.0.2.1:50000")
    private let bob = PeerAddress("192.0.2.2:50000")

    private func statistics(_ proxy: FakeProxy) -> ClientsSnapshot {
        ClientsSnapshot((0..<proxy.mailboxes.count).map { proxy[$0].worker.clientStatistics() })
    }

    private func client(_ address: PeerAddress, in snapshot: ClientsSnapshot) -> ClientStatistics? {
        snapshot.clients.first { $0.address == address.withoutPort }
    }

    @Test("closed and open connections are counted by address, across ports and workers")
    func addresses() throws {
        try withProxy(workers: 2) { proxy in
            for (number, source) in [alice, bob, PeerAddress("192.0.2.1:50001")].enumerated() {
                let client = proxy.connect(from: source, to: number % 2)
                client.send("12345")
                proxy.settle()
                proxy.server.connections.last?.send("123")
                proxy.settle()
                if number > 0 {
                    client.close()
                    proxy.server.connections.last?.close()
                    proxy.settle()
                }
            }
            let snapshot = statistics(proxy)
            #expect(snapshot.clients.count == 2)
            let first = try #require(client(alice, in: snapshot))
            #expect(first.activeConnections == 1)
            #expect(first.totalConnections == 2)
            #expect(first.bytesUpstream == 10)
            #expect(first.bytesDownstream == 6)
            let second = try #require(client(bob, in: snapshot))
            #expect(second.activeConnections == 0)
            #expect(second.totalConnections == 1)
            #expect(second.bytesUpstream == 5)
            #expect(snapshot.other.totalConnections == 0)
        }
    }

    @Test("clients that never reached a server are counted")
    func refused() throws {
        try withProxy { proxy in
            proxy.server.answer = .fail(.connectionRefused)
            _ = proxy.connect(from: alice)
            proxy.settle()
            let entry = try #require(client(alice, in: statistics(proxy)))
            #expect(entry.totalConnections == 1)
            #expect(entry.activeConnections == 0)
        }
    }

    @Test("a mailbox query returns the statistics")
    func gather() async throws {
        let gather = ClientGather(workers: 2)
        try withProxy(workers: 2) { proxy in
            _ = proxy.connect(from: alice, to: 0)
            _ = proxy.connect(from: bob, to: 1)
            proxy.settle()
            proxy.post(.gather(gather))
            proxy.settle()
        }
        let snapshot = ClientsSnapshot(await gather.all())
        #expect(snapshot.clients.count == 2)
        #expect(snapshot.clients.allSatisfy { $0.activeConnections == 1 })
    }
}

@Suite("Worker events")
struct WorkerEventTests {
    @Test("no events are written without a subscriber")
    func none() throws {
        try withProxy { proxy in
            let (client, server) = try proxy.connectThrough()
            client.finish()
            proxy.answerAndClose(server, client)
            #expect(proxy.takeEvents() == [])
            #expect(proxy[.eventsDropped] == 0)
        }
    }

    @Test("a connection's events are in order")
    func story() throws {
        try withProxy { proxy in
            proxy.hub.subscribe()
            let source = PeerAddress("192.0.2.1:50000")
            let id = ConnectionID(worker: 0, count: 1)
            let client = proxy.connect(from: source)
            proxy.settle()
            #expect(proxy.takeEvents() == [.connectionOpened(id: id, client: source, active: 1, total: 1)])

            client.send("hello")
            proxy.settle()
            #expect(proxy.takeEvents() == [.bytesUpstream(id: id, client: source, count: 5)])

            let server = try #require(proxy.server.connections.first)
            server.send("hi")
            server.close()
            client.close()
            proxy.settle()
            #expect(
                proxy.takeEvents() == [
                    .bytesDownstream(id: id, client: source, count: 2),
                    .connectionClosed(id: id, client: source, reason: .ended, by: .server, active: 0),
                ]
            )
        }
    }

    @Test("connections are numbered uniquely, and open ones are counted")
    func counts() throws {
        try withProxy(workers: 2) { proxy in
            proxy.hub.subscribe()
            for member in [0, 1, 0] {
                _ = proxy.connect(to: member)
                proxy.settle()
            }
            let opened = proxy.takeEvents()
            let ids = opened.compactMap { event -> ConnectionID? in
                if case .connectionOpened(let id, _, _, _) = event { id } else { nil }
            }
            #expect(Set(ids).count == 3)
            #expect(Set(ids.map(\.description)) == ["0.1", "0.2", "1.1"])
            let totals = opened.compactMap { event -> [Int]? in
                if case .connectionOpened(_, _, let active, let total) = event { [active, total] } else { nil }
            }
            #expect(Set(totals) == [[1, 1], [2, 2], [3, 3]])
        }
    }

    @Test("a refused client produces an opening and a closing event")
    func refused() throws {
        try withProxy { proxy in
            proxy.hub.subscribe()
            proxy.server.answer = .fail(.connectionRefused)
            let source = PeerAddress("192.0.2.1:50000")
            _ = proxy.connect(from: source)
            proxy.settle()
            let id = ConnectionID(worker: 0, count: 1)
            #expect(
                proxy.takeEvents() == [
                    .connectionOpened(id: id, client: source, active: 1, total: 1),
                    .connectionClosed(id: id, client: source, reason: .connectFailed, by: .server, active: 0),
                ]
            )
        }
    }

    @Test("byte events are merged while the ring is half full, and reported before the end")
    func merged() throws {
        try withProxy { proxy in
            proxy.hub.subscribe()
            let source = PeerAddress("192.0.2.1:50000")
            let client = proxy.connect(from: source)
            proxy.settle()
            let filler = MetricEvent.bytesUpstream(id: ConnectionID(worker: 9, count: 9), client: .unix, count: 1)
            while !proxy.memory.rings[0].isHalfFull { #expect(proxy.memory.rings[0].write(filler)) }
            let before = proxy.memory.rings[0].count
            for _ in 0..<10 {
                client.send("x")
                proxy.settle()
            }
            #expect(proxy.memory.rings[0].count == before)
            client.close()
            proxy.server.connections.first?.close()
            proxy.settle()
            let id = ConnectionID(worker: 0, count: 1)
            #expect(
                proxy.takeEvents().suffix(2) == [
                    .bytesUpstream(id: id, client: source, count: 10),
                    .connectionClosed(id: id, client: source, reason: .ended, by: .client, active: 0),
                ]
            )
        }
    }

    @Test("events that do not fit are dropped and counted, without other effects")
    func dropped() throws {
        try withProxy { proxy in
            proxy.hub.subscribe()
            let filler = MetricEvent.bytesUpstream(id: ConnectionID(worker: 9, count: 9), client: .unix, count: 1)
            while proxy.memory.rings[0].write(filler) {}
            let (client, server) = try proxy.connectThrough()
            client.send("hello")
            proxy.settle()
            client.close()
            server.close()
            proxy.settle()
            #expect(server.text == "hello")
            // The events for opened, bytes and closed.
            #expect(proxy[.eventsDropped] == 3)
            #expect(proxy[.bytesUpstream] == 5)
            #expect(proxy.takeEvents().allSatisfy { $0 == filler })
        }
    }

    @Test("every byte is reported exactly once, however events are merged")
    func sum() throws {
        try withProxy { proxy in
            proxy.hub.subscribe()
            let (client, server) = try proxy.connectThrough()
            client.sendPattern(count: 1_000_000)
            server.sendPattern(count: 600_000)
            proxy.advance(by: .milliseconds(100))
            client.sendPattern(count: 10)
            proxy.advance(by: .milliseconds(100))
            client.close()
            server.close()
            proxy.settle()
            var (upstream, downstream) = (0, 0)
            for event in proxy.takeEvents() {
                if case .bytesUpstream(_, _, let count) = event { upstream += count }
                if case .bytesDownstream(_, _, let count) = event { downstream += count }
            }
            #expect(upstream == 1_000_010)
            #expect(downstream == 600_000)
        }
    }
}
