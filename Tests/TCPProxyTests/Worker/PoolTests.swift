import Balancing
import EventLoop
import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Server pools")
struct PoolTests {
    /// Connects clients one after the other, each of which sends a greeting.
    private func connect(_ count: Int, to proxy: FakeProxy, on worker: Int? = nil) -> [FakePeer] {
        (0..<count).map { _ in proxy.connect(sending: "hello", to: worker) }
    }

    private func key(_ index: Int, _ proxy: FakeProxy) -> ServerKey {
        let pool = proxy.pools.entries[0]
        return pool.key(of: pool.servers[index])
    }

    private func close(_ index: Int, _ proxy: FakeProxy) {
        proxy.pools.set(key(index, proxy), .down, cause: "set by a test", weight: 256)
    }

    private func figure(_ figure: PoolMetric, _ proxy: FakeProxy) -> Int {
        proxy.memory.poolMetrics.reduce(0) { $0 + $1[0, figure] }
    }

    private func connections(_ proxy: FakeProxy) -> [Int] { proxy.servers.map(\.connections.count) }

    @Test("round-robin distributes connections equally across workers")
    func roundRobin() throws {
        try withProxy(workers: 2, upstreams: 3, pool: { $0.policy = .roundRobin }) { proxy in
            let clients = connect(6, to: proxy, on: 0) + connect(6, to: proxy, on: 1)
            #expect(connections(proxy).reduce(0, +) == 12)
            #expect(connections(proxy).allSatisfy { (3...5).contains($0) })
            #expect(clients.allSatisfy { $0.end == nil })
            #expect(proxy.servers.allSatisfy { $0.connections.allSatisfy { $0.text == "hello" } })
        }
    }

    @Test("a server that refuses costs no client: each is sent to another")
    func refusing() throws {
        try withProxy(upstreams: 3, pool: { $0.policy = .leastConnections }) { proxy in
            proxy.servers[1].answer = .fail(.connectionRefused)
            let clients = connect(12, to: proxy)
            #expect(clients.allSatisfy { $0.end == nil })
            #expect(connections(proxy) == [6, 0, 6])
            #expect(proxy[.refused] == 0)
            #expect(figure(.retries, proxy) == proxy.servers[1].attempts)
        }
    }

    @Test("only an attempt that follows a failed one is a retry", arguments: [1, 2, 3])
    func retries(servers: Int) throws {
        try withProxy(upstreams: servers, pool: { $0.policy = .roundRobin }) { proxy in
            for server in proxy.servers { server.answer = .fail(.connectionRefused) }
            let client = proxy.connect()
            proxy.settle()
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.servers.map(\.attempts).reduce(0, +) == servers)
            #expect(figure(.retries, proxy) == servers - 1)
        }
    }

    @Test("a client is mapped by its address to the same server each time")
    func sourceHash() throws {
        for policy in [BalancingPolicy.sourceHash, .maglev] {
            try withProxy(workers: 2, upstreams: 5, pool: { $0.policy = policy }) { proxy in
                for client in 1...20 {
                    let before = connections(proxy)
                    for port in [1000, 2000, 3000] {
                        let source = SocketAddress("192.0.2.\(client):\(port)")
                        guard case .internet(let address) = source else { return }
                        _ = proxy.connect(from: .internet(address), to: port / 1000 % 2)
                        proxy.settle()
                    }
                    #expect(zip(before, connections(proxy)).filter { $0 != $1 }.map { $1 - $0 } == [3])
                }
                #expect(connections(proxy).count { $0 > 0 } > 2)
            }
        }
    }

    @Test("a backup serves while no other server is available")
    func backup() throws {
        try withProxy(
            upstreams: 3,
            pool: { pool in
                pool.policy = .roundRobin
                pool.servers[2].isBackup = true
            }
        ) { proxy in
            _ = connect(4, to: proxy)
            #expect(connections(proxy) == [2, 2, 0])
            close(0, proxy)
            close(1, proxy)
            _ = connect(1, to: proxy)
            #expect(connections(proxy) == [2, 2, 1])
        }
    }

    @Test("a full queue, a queue timeout, failed attempts and the lack of a server are distinguished")
    func reasons() throws {
        try withProxy(
            pool: { pool in
                pool.policy = .roundRobin
                pool.servers[0].maxConnections = 1
                pool.queueLimit = 1
                pool.queueTimeout = .seconds(1)
            },
            configure: { $0.recordsConnections = true }
        ) { proxy in
            let served = connect(1, to: proxy)[0]
            _ = connect(2, to: proxy)
            #expect(proxy.closures == [.by(.proxy, .queueFull): 1])
            proxy.advance(by: .seconds(1))
            #expect(proxy.closures == [.by(.proxy, .queueFull): 1, .by(.proxy, .queueTimeout): 1])
            served.reset()
            proxy.server.answer = .fail(.connectionRefused)
            _ = connect(1, to: proxy)
            close(0, proxy)
            _ = connect(1, to: proxy)
            #expect(
                proxy.closures == [
                    .by(.proxy, .queueFull): 1, .by(.proxy, .queueTimeout): 1, .by(.client, .reset): 1,
                    .by(.server, .connectFailed): 1, .by(.proxy, .noServer): 1,
                ]
            )
            #expect(proxy[.refused] == 4)
            var reasons: [CloseReason: Int32] = [:]
            for record in proxy.takeRecords() { reasons[record.reason] = record.attempts }
            #expect(reasons == [.queueFull: 0, .queueTimeout: 0, .reset: 1, .connectFailed: 1, .noServer: 0])
        }
    }

    @Test("if all servers are down, clients are refused or servers are tried anyway", arguments: [true, false])
    func allDown(tries: Bool) throws {
        try withProxy(
            upstreams: 2,
            pool: { pool in
                pool.policy = .random
                pool.onAllDown = tries ? .tryAnyway : .refuse
            }
        ) { proxy in
            close(0, proxy)
            close(1, proxy)
            let client = connect(1, to: proxy)[0]
            #expect(client.end == (tries ? nil : .failed(.connectionReset)))
            #expect(connections(proxy).reduce(0, +) == (tries ? 1 : 0))
            #expect(proxy[.refused] == (tries ? 0 : 1))
            #expect(proxy.closures == (tries ? [:] : [.by(.proxy, .noServer): 1]))
        }
    }

    private func open(_ index: Int, _ proxy: FakeProxy) {
        proxy.pools.set(key(index, proxy), .up, cause: "set by a test", weight: 256)
        for mailbox in proxy.mailboxes { mailbox.post(.slotReleased(pool: 0, asked: .all)) }
        proxy.settle()
    }

    @Test("clients are queued while all servers are down, and served in order by the first that is up")
    func queueWhileDown() throws {
        try withProxy(
            workers: 2,
            upstreams: 2,
            pool: { pool in
                pool.policy = .roundRobin
                pool.onAllDown = .queue
                pool.queueLimit = 3
                pool.queueTimeout = .seconds(5)
            }
        ) { proxy in
            // The second server fails for the first client before it is known to be down.
            close(0, proxy)
            proxy.servers[1].answer = .silence
            let first = connect(1, to: proxy, on: 0)
            close(1, proxy)
            proxy.advance(by: .seconds(5))
            #expect(first[0].end == nil)
            let others = connect(1, to: proxy, on: 0) + connect(2, to: proxy, on: 1)
            #expect(proxy.pools.entries[0].share.waiting == 3)
            #expect(others.map(\.end) == [nil, nil, .failed(.connectionReset)])
            proxy.servers[1].answer = .accept()
            open(1, proxy)
            #expect(connections(proxy) == [0, 3])
            #expect(proxy.servers[1].connections.allSatisfy { $0.text == "hello" })
            #expect(proxy.pools.entries[0].share.waiting == 0)
        }
    }

    @Test("a client that is queued while all servers are down is reset at the queue timeout")
    func queueTimeoutWhileDown() throws {
        try withProxy(
            upstreams: 1,
            pool: { pool in
                pool.policy = .roundRobin
                pool.onAllDown = .queue
                pool.queueTimeout = .seconds(3)
            }
        ) { proxy in
            close(0, proxy)
            let client = connect(1, to: proxy)[0]
            proxy.advance(by: .milliseconds(2_999))
            #expect(client.end == nil)
            proxy.advance(by: .milliseconds(1))
            #expect(client.end == .failed(.connectionReset))
            #expect(figure(.queueTimeouts, proxy) == 1)
        }
    }

    @Test(
        "the latency of a server is its connect time, or the time until its first byte",
        arguments: [(PoolConfiguration.Latency.connect, 20), (.firstByte, 30)]
    )
    func latency(measure: PoolConfiguration.Latency, expected: Int) throws {
        try withProxy(
            upstreams: 1,
            pool: { pool in
                pool.policy = .fastest
                pool.fastestBy = measure
            }
        ) { proxy in
            proxy.servers[0].answer = .accept(after: .milliseconds(20))
            let client = proxy.connect()
            proxy.advance(by: .milliseconds(50))
            // The time until the request does not count.
            client.send("request")
            proxy.advance(by: .milliseconds(30))
            let server = try #require(proxy.servers[0].connections.first)
            server.send("response")
            proxy.advance(by: .milliseconds(5))
            server.send("more")
            proxy.settle()
            #expect(client.text == "responsemore")
            #expect(proxy.pools.entries[0].servers[0].share.latency == expected * 1_000_000)
        }
    }

    @Test("a server whose latency cannot be measured does not attract all clients", arguments: [true, false])
    func unmeasured(refuses: Bool) throws {
        try withProxy(
            upstreams: 2,
            pool: { pool in
                pool.policy = .fastest
                pool.fastestBy = .firstByte
            }
        ) { proxy in
            if refuses { proxy.servers[1].answer = .fail(.connectionRefused) }
            for _ in 0..<20 {
                let before = proxy.servers.map(\.connections.count)
                let client = proxy.connect()
                proxy.settle()
                if proxy.servers[0].connections.count > before[0] {
                    proxy.servers[0].connections.last?.send("response")
                } else {
                    proxy.servers[1].connections.last?.close()
                }
                proxy.settle()
                client.close()
                proxy.servers[0].connections.last?.close()
                proxy.advance(by: .milliseconds(10))
            }
            #expect(proxy.servers[1].attempts <= 4, "\(proxy.servers[1].attempts) of 20")
        }
    }

    @Test("clients are queued while all servers are full, and served in order")
    func queue() throws {
        try withProxy(pool: { $0.limitServers() }) { proxy in
            let clients = connect(3, to: proxy)
            #expect(connections(proxy) == [1])
            #expect(figure(.queued, proxy) == 2)
            #expect(proxy.pools.entries[0].share.waiting == 2)
            proxy.reset(clients[0])
            #expect(connections(proxy) == [2])
            #expect(proxy.pools.entries[0].share.waiting == 1)
            proxy.reset(clients[1])
            #expect(proxy.servers[0].connections.map(\.text) == ["hello", "hello", "hello"])
            #expect(proxy.pools.entries[0].share.waiting == 0)
        }
    }

    @Test("a permit released on one worker goes to a queued client of another")
    func queueAcrossWorkers() throws {
        try withProxy(workers: 4, pool: { $0.limitServers(to: 2, policy: .leastConnections) }) { proxy in
            let clients = (0..<8).map { (number: Int) in proxy.connect(sending: "\(number)", to: number % 4) }
            #expect((0..<4).map { proxy[$0].connectionCount } == [2, 2, 2, 2])
            #expect(proxy.pools.entries[0].share.waiting == 6)
            for count in 2..<8 {
                #expect(connections(proxy) == [count])
                #expect(proxy.pools.entries[0].servers[0].share.connections == 2)
                let served = try #require(proxy.servers[0].connections.first { $0.end == nil })
                clients[try #require(Int(served.text))].reset()
                proxy.settle()
            }
            #expect(Set(proxy.servers[0].connections.map(\.text)) == Set((0..<8).map(String.init)))
            #expect(proxy.pools.entries[0].share.waiting == 0)
        }
    }

    @Test(
        "a permit offered to a worker without queued clients is passed on",
        arguments: [1, 2]
    )
    func placeGoesOn(leaving: Int) throws {
        try withProxy(workers: 3, pool: { $0.limitServers(policy: .first) }) { proxy in
            let clients = (0..<3).map { (worker: Int) in proxy.connect(sending: "\(worker)", to: worker) }
            proxy.reset(clients[leaving])
            proxy.reset(clients[0])
            #expect(proxy.servers[0].connections.map(\.text) == ["0", "\(3 - leaving)"])
        }
    }

    @Test("a permit of a server that failed for one client goes to another client", arguments: [1, 2])
    func placeForOthers(picky: Int) throws {
        try withProxy(workers: 3, upstreams: 2, pool: { $0.limitServers(policy: .first) }) { proxy in
            func connect(to worker: Int) -> FakePeer { proxy.connect(sending: "from \(worker)", to: worker) }
            proxy.servers[0].answer = .fail(.connectionRefused)
            _ = connect(to: 0)
            #expect(connections(proxy) == [0, 1])
            _ = connect(to: picky)
            proxy.servers[0].answer = .accept()
            let served = connect(to: 0)
            _ = connect(to: 3 - picky)
            #expect(connections(proxy) == [1, 1])
            #expect(proxy.pools.entries[0].share.waiting == 2)
            proxy.reset(served)
            #expect(proxy.servers[0].connections.map(\.text) == ["from 0", "from \(3 - picky)"])
            #expect(proxy.pools.entries[0].share.waiting == 1)
        }
    }

    @Test("a queued client is reset at the timeout, and a further one if the queue is full")
    func queueLimits() throws {
        try withProxy(
            pool: { pool in
                pool.limitServers()
                pool.queueLimit = 1
                pool.queueTimeout = .seconds(3)
            }
        ) { proxy in
            let clients = connect(3, to: proxy)
            #expect(clients.map(\.end) == [nil, nil, .failed(.connectionReset)])
            #expect(figure(.queueOverflows, proxy) == 1)
            proxy.advance(by: .seconds(4))
            #expect(clients.map(\.end) == [nil, .failed(.connectionReset), .failed(.connectionReset)])
            #expect(figure(.queueTimeouts, proxy) == 1)
            #expect(proxy.pools.entries[0].share.waiting == 0)
        }
    }

    @Test("a client that disconnects leaves the queue")
    func leavesQueue() throws {
        try withProxy(pool: { $0.limitServers() }) { proxy in
            let clients = connect(2, to: proxy)
            proxy.reset(clients[1])
            #expect(proxy.pools.entries[0].share.waiting == 0)
            proxy.reset(clients[0])
            #expect(connections(proxy) == [1])
        }
    }

    @Test("the connect deadline starts when the queueing ends")
    func deadlineAfterQueue() throws {
        try withProxy(
            pool: { pool in
                pool.limitServers()
                pool.queueTimeout = nil
            },
            configure: { $0.timeouts.connect = .seconds(2) }
        ) { proxy in
            let clients = connect(2, to: proxy)
            proxy.advance(by: .seconds(10))
            #expect(clients[1].end == nil)
            proxy.reset(clients[0])
            #expect(proxy.servers[0].connections.last?.text == "hello")
        }
    }

    @Test("a removed server keeps its connections, and its state until they end")
    func takenOut() throws {
        try withProxy(upstreams: 2, pool: { $0.policy = .roundRobin }) { proxy in
            let clients = connect(2, to: proxy)
            let gone = proxy.pools.entries[0].servers[0].share
            try proxy.change(to: [proxy.servers[1].address])
            _ = connect(2, to: proxy)
            proxy.pools.collect()
            #expect(connections(proxy) == [1, 3])
            #expect(gone.connections == 1)
            #expect(clients.allSatisfy { $0.end == nil })
            for client in clients { client.reset() }
            proxy.settle()
            #expect(gone.connections == 0)
            proxy.pools.collect()
            try proxy.change(to: proxy.servers.map(\.address))
            #expect(proxy.pools.entries[0].servers[0].share.id == gone.id)
        }
    }

    @Test("only the connections of one server are closed")
    func cutServer() throws {
        try withProxy(upstreams: 2, pool: { $0.policy = .roundRobin }) { proxy in
            let clients = connect(4, to: proxy)
            proxy.post(.closeConnections(to: key(0, proxy).id))
            proxy.settle()
            #expect(clients.count { $0.end == nil } == 2)
            #expect(proxy.closures == [.by(.proxy, .serverDown): 2])
            #expect(proxy.servers[1].connections.allSatisfy { $0.end == nil })
        }
    }
}
