import Balancing
import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Workers apply changes of listeners and pools")
struct ReconfigurationTests {
    private let other = SocketAddress("127.0.0.1:9090")

    private func settings(pool: Int = 0, _ configure: (inout ListenerConfiguration) -> Void = { _ in })
        -> ListenerSettings
    {
        var listener = ListenerConfiguration(address: .socket(other))
        configure(&listener)
        return ListenerSettings(listener, pool: pool)
    }

    private func opened(_ number: Int, at address: SocketAddress, pool: Int = 0) -> FakeProxy.Wanted {
        FakeProxy.Wanted(number: number, address: address, settings: settings(pool: pool))
    }

    private func open(_ number: Int, _ proxy: FakeProxy) -> Int {
        MetricRow(number, of: proxy.memory.listenerMetrics)[.open]
    }

    @Test("a new listener serves, a removed one refuses, and its connections continue", arguments: [1, 3])
    func swap(workers: Int) throws {
        try withProxy(workers: workers) { proxy in
            let (client, server) = try proxy.connectThrough()
            let done = try proxy.change(listeners: [opened(1, at: other)], closed: [0])
            #expect(!done.isComplete)
            proxy.settle()
            #expect(done.isComplete)
            let new = proxy.world.connect(to: other)
            new.send("new")
            proxy.settle()
            #expect(proxy.server.connections.last?.text == "new")
            proxy.advance(by: .seconds(1))
            #expect(proxy.connect().end == .failed(.connectionRefused))
            #expect(open(0, proxy) == 0)
            #expect(open(1, proxy) == workers)
            client.send("still here")
            proxy.settle()
            #expect(server.text == "still here")
            #expect(proxy.closures.isEmpty)
        }
    }

    @Test("connections in the accept queue of a removed listener are served")
    func drainAcceptQueues() throws {
        try withProxy(workers: 2) { proxy in
            let clients = (0..<6).map { _ in proxy.connect() }
            for client in clients { client.send("hello") }
            _ = try proxy.change(listeners: [opened(1, at: other)], closed: [0])
            proxy.advance(by: .seconds(1))
            #expect(proxy.server.connections.map(\.text) == Array(repeating: "hello", count: 6))
            #expect(proxy.world.abandoned == 0)
        }
    }

    @Test("each removed listener closes on its own schedule, however many changes follow")
    func lastCalls() throws {
        try withProxy { proxy in
            _ = try proxy.change(version: 1, listeners: [opened(1, at: other)], closed: [0])
            for version in 2...20 {
                proxy.advance(by: .milliseconds(20))
                let address = SocketAddress("127.0.0.1:\(9090 + version)")
                let change = [opened(version, at: address)]
                _ = try proxy.change(version: version, listeners: change, closed: [version - 1])
                proxy.settle()
                // Listeners of the last 100 ms, and one tick for the timer.
                let waiting = (0..<version).count { open($0, proxy) > 0 }
                #expect(waiting <= 7)
            }
            proxy.advance(by: .seconds(1))
            #expect((0...20).count { open($0, proxy) > 0 } == 1)
        }
    }

    @Test("existing connections keep their settings, and new ones use the new settings")
    func moved() throws {
        try withProxy(workers: 2) { proxy in
            let (old, _) = try proxy.connectThrough()
            let changed = settings { $0.timeouts.idle = .seconds(2) }
            let done = try proxy.change(listeners: [.init(number: 1, former: 0, settings: changed)])
            proxy.settle()
            #expect(done.isComplete)
            #expect(open(0, proxy) == 0)
            #expect(open(1, proxy) == 2)
            let (new, _) = try proxy.connectThrough()
            proxy.advance(by: .seconds(3))
            #expect(new.end == .failed(.connectionReset))
            #expect(old.end == nil)
            #expect(proxy.closures == [.by(.proxy, .idleTimeout): 1])
        }
    }

    @Test("connections in the accept queue of a changed listener are served")
    func movedQueue() throws {
        try withProxy { proxy in
            let changed = settings { $0.timeouts.idle = .seconds(2) }
            _ = try proxy.change(listeners: [.init(number: 1, former: 0, settings: changed)])
            // Before the worker has received the message, after which it would be watched under the old number.
            let client = proxy.connect()
            client.send("hello")
            proxy.settle()
            #expect(proxy.server.connections.last?.text == "hello")
        }
    }

    @Test("a change of a listener's pool applies only to new connections")
    func otherPool() throws {
        try withProxy(upstreams: 2) { proxy in
            let first = try proxy.pools.draft([
                PoolConfiguration(upstream: "server", at: [proxy.servers[0].address]),
                PoolConfiguration(upstream: "other", at: [proxy.servers[1].address]),
            ])
            let plans = proxy.pools.commit(first)
            let pools = plans.map { WorkerChange.Pool(number: $0.number, plan: $0.plan) }
            let (old, server) = try proxy.connectThrough()
            _ = try proxy.change(pools: pools, listeners: [.init(number: 1, former: 0, settings: settings(pool: 1))])
            proxy.settle()
            let (new, _) = try proxy.connectThrough(server: proxy.servers[1])
            new.reset()
            old.send("still here")
            proxy.settle()
            #expect(server.text == "still here")
            old.reset()
            proxy.settle()
            proxy.pools.collect()
            #expect(proxy.pools.entries.flatMap(\.servers).allSatisfy { $0.share.connections == 0 })
        }
    }

    @Test("a client in a pool's queue is served when a change adds a server")
    func queued() throws {
        try withProxy(
            upstreams: 2,
            pool: { pool in
                pool.servers = [pool.servers[0]]
                pool.limitServers()
            }
        ) { proxy in
            let clients = (0..<2).map { _ in proxy.connect() }
            for client in clients { client.send("hello") }
            proxy.settle()
            #expect(proxy.pools.entries[0].share.waiting == 1)
            var pool = proxy.pools.entries[0].configuration
            pool.servers.append(ServerConfiguration(proxy.servers[1].address))
            let plans = proxy.pools.commit(try proxy.pools.draft([pool]))
            // The listener that the client connected to changes at the same moment.
            _ = try proxy.change(
                pools: plans.map { .init(number: $0.number, plan: $0.plan) },
                listeners: [.init(number: 1, former: 0, settings: settings { $0.timeouts.idle = .seconds(60) })]
            )
            proxy.settle()
            #expect(proxy.servers[1].connections.map(\.text) == ["hello"])
            #expect(proxy.pools.entries[0].share.waiting == 0)
        }
    }

    @Test("no connection is handed to a worker that does not know its listener")
    func handOver() throws {
        try withProxy(workers: 2) { proxy in
            let change = [opened(1, at: other)]
            _ = try proxy.change(listeners: change, on: [0])
            proxy.settle()
            for _ in 0..<10 { _ = proxy.world.connect(to: other, member: 0) }
            proxy.settle()
            #expect([proxy[0].connectionCount, proxy[1].connectionCount] == [10, 0])
            _ = try proxy.change(listeners: change, on: [1])
            proxy.settle()
            for _ in 0..<10 { _ = proxy.world.connect(to: other, member: 0) }
            proxy.settle()
            #expect(proxy[1].connectionCount > 5)
            #expect(proxy.server.connections.count == 20)
        }
    }

    @Test("a worker without listeners passes a permit on to a waiting worker")
    func wakeUp() throws {
        try withProxy(workers: 2, limit: 1) { proxy in
            _ = try proxy.change(closed: [0], on: [0])
            proxy.advance(by: .seconds(1))
            let first = proxy.connect(to: 0)
            proxy.settle()
            #expect(proxy.active == 1)
            // Simulates a wait that began before its listeners were closed.
            #expect(proxy.memory.connectionLimiter.wait(worker: 0))
            let second = proxy.connect(to: 0)
            second.send("hello")
            proxy.settle()
            #expect(proxy[.pause(.connections)] > 0)
            first.reset()
            proxy.settle()
            #expect(proxy.server.connections.last?.text == "hello")
        }
    }

    @Test("a listener added while accepting is paused is watched after the pause")
    func paused() throws {
        try withProxy(limit: 1) { proxy in
            let (first, _) = try proxy.connectThrough()
            let queued = proxy.connect(sending: "hello")
            _ = try proxy.change(listeners: [opened(1, at: other)], closed: [0])
            proxy.settle()
            let waits = proxy.waits
            let second = proxy.world.connect(to: other)
            second.send("hello")
            proxy.settle()
            #expect(proxy.waits - waits < 5)
            first.reset()
            queued.reset()
            proxy.advance(by: .seconds(1))
            #expect(proxy.server.connections.last?.text == "hello")
        }
    }

    @Test("a failed poller registration is retried")
    func pollerFails() throws {
        try withProxy { proxy in
            let done = try proxy.change(listeners: [opened(1, at: other)])
            proxy.world.faults.fail(.register, with: .tooManyOpenFiles, times: 3)
            proxy.settle()
            #expect(done.isComplete)
            let client = proxy.world.connect(to: other)
            client.send("hello")
            proxy.advance(by: .seconds(1))
            #expect(proxy.server.connections.last?.text == "hello")
        }
    }

    @Test("a change during shutdown opens nothing and is acknowledged", arguments: [true, false])
    func stopping(isForced: Bool) throws {
        try withProxy(workers: 2) { proxy in
            let (client, server) = try proxy.connectThrough()
            proxy.post(isForced ? .closeAll : .stopAccepting)
            let done = try proxy.change(listeners: [
                opened(1, at: other), opened(2, at: SocketAddress("127.0.0.1:9091")),
            ])
            proxy.settle()
            #expect(done.isComplete)
            #expect(proxy.world.connect(to: other).end == .failed(.connectionRefused))
            guard !isForced else { return }
            client.finish()
            server.close()
            proxy.advance(by: .seconds(1))
            #expect(proxy[0].isDone && proxy[1].isDone)
        }
    }

    @Test("a reused listener number counts its own connections")
    func reuse() throws {
        try withProxy { proxy in
            for version in 1...100 {
                let address = SocketAddress("127.0.0.1:\(10_000 + version)")
                // 0 and 1 alternate.
                let (number, former) = (version % 2, 1 - version % 2)
                _ = try proxy.change(version: version, listeners: [opened(number, at: address)], closed: [former])
                let client = proxy.world.connect(to: address)
                client.send("\(version)")
                proxy.advance(by: .seconds(1))
                #expect(proxy.server.connections.last?.text == "\(version)")
                client.reset()
                proxy.settle()
                #expect(open(former, proxy) == 0)
            }
        }
    }
}
