import Balancing
import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Server pools")
struct PoolTests {
    /// Connects clients one after the other, each of which sends a greeting.
    private func connect(_ count: Int, to proxy: FakeProxy, on worker: Int? = nil) -> [FakePeer] {
        (0..<count).map { _ in
            let client = proxy.connect(to: worker)
            client.send("hello")
            proxy.settle()
            return client
        }
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
        }
    }

    @Test("clients are queued while all servers are full, and served in order")
    func queue() throws {
        try withProxy(
            upstreams: 1,
            pool: { pool in
                pool.policy = .roundRobin
                pool.servers[0].maxConnections = 1
            }
        ) { proxy in
            let clients = connect(3, to: proxy)
            #expect(connections(proxy) == [1])
            #expect(figure(.queued, proxy) == 2)
            #expect(proxy.pools.entries[0].share.waiting == 2)
            clients[0].reset()
            proxy.settle()
            #expect(connections(proxy) == [2])
            #expect(proxy.pools.entries[0].share.waiting == 1)
            clients[1].reset()
            proxy.settle()
            #expect(proxy.servers[0].connections.map(\.text) == ["hello", "hello", "hello"])
            #expect(proxy.pools.entries[0].share.waiting == 0)
        }
    }

    @Test("a permit released on one worker goes to a queued client of another")
    func queueAcrossWorkers() throws {
        try withProxy(
            workers: 4,
            upstreams: 1,
            pool: { pool in
                pool.policy = .leastConnections
                pool.servers[0].maxConnections = 2
            }
        ) { proxy in
            let clients = (0..<8).map { number in
                let client = proxy.connect(to: number % 4)
                client.send("\(number)")
                proxy.settle()
                return client
            }
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
        try withProxy(
            workers: 3,
            upstreams: 1,
            pool: { pool in
                pool.policy = .first
                pool.servers[0].maxConnections = 1
            }
        ) { proxy in
            let clients = (0..<3).map { number in
                let client = proxy.connect(to: number)
                client.send("\(number)")
                proxy.settle()
                return client
            }
            clients[leaving].reset()
            proxy.settle()
            clients[0].reset()
            proxy.settle()
            #expect(proxy.servers[0].connections.map(\.text) == ["0", "\(3 - leaving)"])
        }
    }

    @Test("a permit of a server that failed for one client goes to another client", arguments: [1, 2])
    func placeForOthers(picky: Int) throws {
        try withProxy(
            workers: 3,
            upstreams: 2,
            pool: { pool in
                pool.policy = .first
                for index in 0..<2 { pool.servers[index].maxConnections = 1 }
            }
        ) { proxy in
            func connect(to worker: Int) -> FakePeer {
                let client = proxy.connect(to: worker)
                client.send("from \(worker)")
                proxy.settle()
                return client
            }
            proxy.servers[0].answer = .fail(.connectionRefused)
            _ = connect(to: 0)
            #expect(connections(proxy) == [0, 1])
            _ = connect(to: picky)
            proxy.servers[0].answer = .accept()
            let served = connect(to: 0)
            _ = connect(to: 3 - picky)
            #expect(connections(proxy) == [1, 1])
            #expect(proxy.pools.entries[0].share.waiting == 2)
            served.reset()
            proxy.settle()
            #expect(proxy.servers[0].connections.map(\.text) == ["from 0", "from \(3 - picky)"])
            #expect(proxy.pools.entries[0].share.waiting == 1)
        }
    }

    @Test("a queued client is reset at the timeout, and a further one if the queue is full")
    func queueLimits() throws {
        try withProxy(
            upstreams: 1,
            pool: { pool in
                pool.policy = .roundRobin
                pool.servers[0].maxConnections = 1
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
        try withProxy(
            upstreams: 1,
            pool: { pool in
                pool.policy = .roundRobin
                pool.servers[0].maxConnections = 1
            }
        ) { proxy in
            let clients = connect(2, to: proxy)
            clients[1].reset()
            proxy.settle()
            #expect(proxy.pools.entries[0].share.waiting == 0)
            clients[0].reset()
            proxy.settle()
            #expect(connections(proxy) == [1])
        }
    }

    @Test("the connect deadline starts when the queueing ends")
    func deadlineAfterQueue() throws {
        try withProxy(
            upstreams: 1,
            pool: { pool in
                pool.policy = .roundRobin
                pool.servers[0].maxConnections = 1
                pool.queueTimeout = nil
            },
            configure: { $0.timeouts.connect = .seconds(2) }
        ) { proxy in
            let clients = connect(2, to: proxy)
            proxy.advance(by: .seconds(10))
            #expect(clients[1].end == nil)
            clients[0].reset()
            proxy.settle()
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
