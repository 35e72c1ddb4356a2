import Balancing
import EventLoop
import ProcessSupport
import Sockets
import Support
import Testing

@testable import TCPProxy

@Suite("As many listeners, pools and servers as a proxy supports", .ownThreads, .timeLimit(.minutes(2)))
struct ManyPoolsTests {
    private func pools(_ count: Int = Proxy.maxPools, of servers: Int = 16, port: UInt16 = 9) -> [PoolConfiguration] {
        (0..<count).map { pool in
            PoolConfiguration(
                name: "pool-\(pool)",
                policy: .roundRobin,
                servers: (0..<servers).map { server in
                    let address = InternetAddress(v4: 0x7F01_0000 + UInt32(pool * servers + server), port: port)
                    return ServerConfiguration(name: "server-\(server)", address: .internet(address))
                }
            )
        }
    }

    private func registry(of pools: [PoolConfiguration]) throws -> PoolRegistry {
        let registry = PoolRegistry(SharedMemory(workers: 1, limit: 10))
        _ = try registry.add(pools)
        return registry
    }

    @Test("a change replaces all servers of 1,024 pools, while the removed ones still have connections")
    func replacement() throws {
        let memory = SharedMemory(workers: 2, limit: 10)
        let registry = PoolRegistry(memory)
        #expect(try registry.add(pools()).count == Proxy.maxPools)
        let first = registry.entries.flatMap(\.servers)
        #expect(first.count == Proxy.maxServers)
        #expect(first[0].share.reserve())
        defer { first[0].share.release() }
        #expect(registry.commit(try registry.draft(pools(port: 10))).count == Proxy.maxPools)
        registry.collect()
        // All numbers but that of the server with a connection are free again.
        #expect(registry.commit(try registry.draft(pools(port: 11))).count == Proxy.maxPools)
        #expect(registry.entries.flatMap(\.servers).count == Proxy.maxServers)
    }

    @Test("a change without differences keeps all servers, in whatever order they are listed")
    func order() throws {
        var pools = pools(10, of: 100)
        let registry = try registry(of: pools)
        let serials = Set(registry.entries.flatMap(\.servers).map(\.serial))
        for index in pools.indices { pools[index].servers.reverse() }
        #expect(registry.commit(try registry.draft(pools.reversed())).count == 10)
        #expect(Set(registry.entries.flatMap(\.servers).map(\.serial)) == serials)
        #expect(registry.entries.map(\.configuration) == pools.reversed())
        #expect(registry.entry(0)?.configuration.name == "pool-0")
        #expect(registry.entry(10) == nil)
    }

    @Test("a change of one pool's servers leaves the others as they are")
    func onePool() throws {
        let pools = pools(3, of: 2)
        let registry = try registry(of: pools)
        let before = registry.entries
        let server = ServerConfiguration(SocketAddress("127.0.0.1:80"))
        let plan = try registry.change(1, to: [pools[1].servers[1], server])
        #expect(plan?.servers.count == 2)
        let after = registry.entries
        #expect(after[1].servers[0].serial == before[1].servers[1].serial)
        #expect(after[1].servers[1].configuration == server)
        for index in [0, 2] { #expect(after[index].servers.map(\.serial) == before[index].servers.map(\.serial)) }
        #expect(try registry.change(1, to: [pools[1].servers[1], server]) == nil)
        #expect(try registry.change(7, to: []) == nil)
    }

    @Test("the plans of many pools are built in their order, each with its own Maglev table")
    func plans() throws {
        let memory = SharedMemory(workers: 1, limit: 10)
        let registry = PoolRegistry(memory)
        var pools = pools(20, of: 3)
        for index in pools.indices where index % 2 == 0 {
            pools[index].policy = .maglev
            for server in 0..<3 { pools[index].servers[server].name = "server-\(index)-\(server)" }
        }
        let plans = try registry.add(pools)
        #expect(plans.map(\.policy) == pools.map(\.policy))
        for (plan, entry) in zip(plans, registry.entries) {
            #expect(plan.table == entry.plan.table)
            #expect(plan.servers.map(\.share.id) == entry.servers.map(\.share.id))
        }
    }

    @Test("more servers in all pools than the limit are rejected")
    func tooManyServers() {
        let pools = pools(17, of: PoolConfiguration.maxServers)
        let listener = ListenerConfiguration(address: .socket(SocketAddress("127.0.0.1:0")))
        #expect(throws: ProxyError.tooManyServers(limit: Proxy.maxServers)) { try Proxy.checkCounts([listener], pools) }
    }

    @Test("sockets of many listeners are counted in descriptors, and too many are an error with their number")
    func descriptors() throws {
        try raiseDescriptorLimit()
        var configuration = ProxyConfiguration()
        configuration.threads = 4
        configuration.engine = .copy
        let one = try configuration.connectionLimit(listeners: 1)
        // Other tests open and close descriptors at the same time, so the difference is not exact.
        let hundred = try configuration.connectionLimit(listeners: 101)
        #expect(one < 1_000_000 ? abs(one - hundred - 200) < 150 : hundred <= one)
        configuration.threads = 256
        let limit = DescriptorLimit.current
        let listeners = limit / 256 + 1
        do throws(ProxyError) {
            _ = try configuration.connectionLimit(listeners: listeners)
            Issue.record("accepted \(listeners) listeners on 256 threads")
        } catch {
            guard case .listenerDescriptors(limit, let wanted, listeners, 256) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(wanted > 256 * listeners)
            #expect(error.description.contains("one for each listener and thread"))
            #expect(error.description.contains("ulimit -n"))
        }
        #expect(configuration.pipesPerWorker(descriptorLimit: limit, listeners: listeners) == 0)
    }

    @Test("a proxy with 1,024 listeners, 1,024 pools and 16,384 servers serves, and reloads half of them")
    func proxy() async throws {
        try raiseDescriptorLimit()
        let server = try TestListener()
        // As many as the descriptors of the machine allow, with room for the sockets of the change.
        let count = min(Proxy.maxListeners, (DescriptorLimit.current - 500) / 4)
        func listeners(_ backlog: Int = 10) throws -> [ListenerConfiguration] {
            try (0..<count).map { number in
                let address = try ServiceAddress(parsing: "127.0.0.1:0")
                var listener = ListenerConfiguration(name: "\(number)", address: address, pool: "pool-\(number)")
                listener.backlog = number % 2 == 0 ? 10 : backlog
                return listener
            }
        }
        var pools = pools()
        for index in pools.indices {
            pools[index].servers[0] = ServerConfiguration(SocketAddress("\(server.address)"))
            for other in 1..<16 { pools[index].servers[other].isBackup = true }
        }
        var configuration = ProxyConfiguration()
        configuration.threads = 2
        configuration.maxConnections = 10
        let proxy = try await Proxy.bind(
            listeners: try listeners(),
            pools: pools,
            configuration: configuration
        )
        try await proxy.whileRunning {
            let addresses = proxy.localAddresses
            #expect(Set(addresses).count == count)
            func exchange(_ index: Int) throws {
                let client = try TestSocket.connect(to: try #require(TestAddress(addresses[index].description)))
                let end = try server.accept()
                try client.send("hello")
                try end.receive("hello")
                client.close()
                end.close()
            }
            for index in [0, 1, count / 2, count - 1] { try exchange(index) }
            for index in pools.indices where index % 2 == 1 { pools[index].policy = .leastConnections }
            let change = try await proxy.change(listeners: try listeners(20), pools: pools)
            #expect(change.items.count { if case .listener = $0.what { true } else { false } } == count / 2)
            #expect(change.items.count { if case .pool = $0.what { true } else { false } } == Proxy.maxPools / 2)
            #expect(proxy.localAddresses == addresses)
            for index in [0, 1, count / 2, count - 1] { try exchange(index) }
            #expect(proxy.listenerSnapshots().map(\.totalConnections).reduce(0, +) == 8)
            #expect(proxy.poolSnapshots().flatMap(\.servers).map(\.connected).reduce(0, +) == 8)
        }
    }
}
