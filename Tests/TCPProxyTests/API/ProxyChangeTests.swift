import Balancing
import Foundation
import ProcessSupport
import Sockets
import Support
import Testing

@testable import TCPProxy

/// Changes of a running proxy, on real sockets.
@Suite("Proxy: changes at run time", .ownThreads, .timeLimit(.minutes(2)))
struct ProxyChangeTests {
    private func listener(
        _ name: String,
        _ address: String = "127.0.0.1:0",
        pool: String = "a",
        configure: (inout ListenerConfiguration) -> Void = { _ in }
    ) throws -> ListenerConfiguration {
        var listener = ListenerConfiguration(name: name, address: try ServiceAddress(parsing: address), pool: pool)
        configure(&listener)
        return listener
    }

    private func pool(_ name: String = "a", _ servers: TestListener...) -> PoolConfiguration {
        PoolConfiguration(
            name: name,
            policy: .roundRobin,
            servers: servers.map { ServerConfiguration(SocketAddress("\($0.address)")) }
        )
    }

    private func withProxy<Value: Sendable>(
        _ listeners: [ListenerConfiguration],
        _ pools: [PoolConfiguration],
        threads: Int = 2,
        _ body: (Proxy) async throws -> Value
    ) async throws -> Value {
        var configuration = ProxyConfiguration()
        configuration.threads = threads
        configuration.maxConnections = 100
        let proxy = try await Proxy.bind(listeners: listeners, pools: pools, configuration: configuration)
        async let running: Void = proxy.run()
        let result: Result<Value, any Error>
        do {
            try await eventually("readiness of the proxy") { proxy.isReady }
            result = .success(try await body(proxy))
        } catch {
            result = .failure(error)
        }
        await proxy.shutdown(grace: .zero)
        try await running
        return try result.get()
    }

    private func exchange(_ client: TestSocket, _ server: TestSocket) throws {
        try client.send("ping")
        try server.receive("ping")
        try server.send("pong")
        try client.receive("pong")
    }

    private func address(_ proxy: Proxy, _ index: Int) throws -> TestAddress {
        try #require(TestAddress("\(proxy.localAddresses[index])"))
    }

    @Test("listeners with the same name of shared limits are counted together, also after a change")
    func sharedLimits() async throws {
        let server = try TestListener()
        func limited(_ name: String, to limit: Int) throws -> ListenerConfiguration {
            try listener(name) { listener in
                listener.accessPolicy.sharedLimits = "tenant"
                listener.accessPolicy.maxConnections = limit
            }
        }
        let pools = [pool("a", server)]
        try await withProxy([limited("one", to: 1), limited("two", to: 1), listener("own")], pools) { proxy in
            let first = try TestSocket.connect(to: address(proxy, 0))
            try exchange(first, try server.accept())
            _ = try TestSocket.connect(to: address(proxy, 1)).receiveRest()
            let other = try TestSocket.connect(to: address(proxy, 2))
            try exchange(other, try server.accept())
            _ = try await proxy.change(
                listeners: [limited("one", to: 2), limited("two", to: 2), listener("own")],
                pools: pools
            )
            let second = try TestSocket.connect(to: address(proxy, 1))
            try exchange(second, try server.accept())
            _ = try TestSocket.connect(to: address(proxy, 0)).receiveRest()
            #expect(proxy.snapshot().deniedConnections[.connections] == 2)
        }
    }

    @Test("a listener that changes between an address and all interfaces keeps the socket at the address")
    func covered() async throws {
        let server = try TestListener()
        try await withProxy([listener("l")], [pool("a", server)]) { proxy in
            let before = try address(proxy, 0)
            let port = try #require(proxy.localAddress.port)
            // From the address to all interfaces, to all of IPv6 too, and back; twice, so that numbers are reused.
            for written in Array(repeating: ["0.0.0.0", "[::]", "127.0.0.1"], count: 2).joined() {
                _ = try await proxy.change(listeners: [listener("l", "\(written):\(port)")], pools: [pool("a", server)])
                let entries = proxy.core.listeners.entries
                let kept = try aliases(of: written, port)
                #expect(entries[0].aliases.map(\.address) == kept)
                // Connections are counted from the change on, whichever socket accepts them.
                let expected = 4
                for _ in 0..<expected {
                    let client = try TestSocket.connect(to: before)
                    try exchange(client, server.accept())
                }
                #expect(proxy.listenerSnapshots().map(\.totalConnections) == [expected])
                #expect(proxy.localAddress.port == port)
            }
            // A change of settings moves the aliases, too.
            _ = try await proxy.change(listeners: [listener("l", "0.0.0.0:\(port)")], pools: [pool("a", server)])
            let slow = try listener("l", "0.0.0.0:\(port)") { $0.timeouts.idle = .seconds(3600) }
            _ = try await proxy.change(listeners: [slow], pools: [pool("a", server)])
            try exchange(TestSocket.connect(to: before), server.accept())
            #expect(proxy.listenerSnapshots().map(\.totalConnections) == [1])
            // All sockets of a removed listener are closed.
            _ = try await proxy.change(listeners: [listener("m")], pools: [pool("a", server)])
            try await expectRefusal(at: before)
        }
    }

    /// The addresses whose sockets a listener at `written` keeps in the test above.
    private func aliases(of written: String, _ port: UInt16) throws -> [SocketAddress] {
        let addresses: [String] =
            switch written {
            case "0.0.0.0": ["127.0.0.1"]
            case "[::]": ["0.0.0.0", "127.0.0.1"]
            default: []
            }
        return try addresses.map { address in
            guard case .socket(let socket) = try ServiceAddress(parsing: "\(address):\(port)") else {
                throw Unexpected("\(address) is not a numeric address", at: #_sourceLocation)
            }
            return socket
        }
    }

    @Test("listeners are added and removed without closing connections")
    func swap() async throws {
        let server = try TestListener()
        try await withProxy([listener("one")], [pool("a", server)]) { proxy in
            let first = try address(proxy, 0)
            let (client, far) = try proxy.connect(through: server)
            let change = try await proxy.change(listeners: [listener("two")], pools: [pool("a", server)])
            #expect(
                change.items == [.init(.listener("one"), .removed, connections: 1), .init(.listener("two"), .added)]
            )
            #expect(change.connectionsAffected == 1)
            #expect(proxy.listenerSnapshots().map(\.name) == ["two"])
            let (other, otherFar) = try proxy.connect(through: server)
            try exchange(other, otherFar)
            try exchange(client, far)
            try await eventually("refusal at the old address") {
                do {
                    try TestSocket.connect(to: first).close()
                    return false
                } catch {
                    return true
                }
            }
            try exchange(client, far)
        }
    }

    @Test("counters of unchanged objects survive a change")
    func counters() async throws {
        let server = try TestListener()
        try await withProxy([listener("one")], [pool("a", server)]) { proxy in
            let before = proxy.localAddresses
            let (client, far) = try proxy.connect(through: server)
            try exchange(client, far)
            for idle in 1...50 {
                let changed = try listener("one") { $0.timeouts.idle = .seconds(60 + idle) }
                let change = try await proxy.change(listeners: [changed], pools: [pool("a", server)])
                #expect(change.items == [.init(.listener("one"), .changed, connections: 1)])
                #expect(proxy.listenerSnapshots().map(\.totalConnections) == [1])
                #expect(proxy.listenerSnapshots().map(\.activeConnections) == [1])
            }
            #expect(proxy.localAddresses == before)
            client.close()
            far.close()
            try await eventually("the connection's end") { proxy.snapshot().activeConnections == 0 }
            for _ in 0..<2 { try await proxy.change(listeners: [listener("one")], pools: [pool("a", server)]) }
            #expect(proxy.listenerSnapshots().map(\.totalConnections) == [1])
            #expect(proxy.listenerSnapshots().map(\.activeConnections) == [0])
            #expect(proxy.poolSnapshots()[0].servers[0].connected == 1)
            #expect(proxy.poolSnapshots()[0].servers[0].bytesUpstream == 4)
        }
    }

    @Test("numbers are reused: many more changes than numbers succeed")
    func numbers() async throws {
        let server = try TestListener()
        try await withProxy([listener("one")], [pool("a", server)], threads: 1) { proxy in
            for round in 0..<(Listeners.capacity + 500) {
                let changed = try listener("one", pool: "\(round)") { $0.timeouts.idle = .seconds(round + 1) }
                try await proxy.change(listeners: [changed], pools: [pool("\(round)", server)])
            }
            let (client, far) = try proxy.connect(through: server)
            try exchange(client, far)
            #expect(proxy.poolSnapshots()[0].servers[0].connected == 1)
        }
    }

    @Test("a port in use changes nothing, and sockets bound before it are closed")
    func portInUse() async throws {
        let (server, taken) = (try TestListener(), try TestListener())
        try await withScratchFolder { folder in
            let path = "\(folder)/two"
            try await withProxy([listener("one")], [pool("a", server)]) { proxy in
                let before = proxy.localAddresses
                let listeners = [
                    try listener("two", "unix:\(path)", pool: "b"),
                    try listener("three", "\(taken.address)", pool: "b"),
                ]
                await #expect(
                    throws: ProxyError.cannotListen(.addressInUse(try ServiceAddress(parsing: "\(taken.address)")))
                ) {
                    try await proxy.change(listeners: listeners, pools: [pool("b", server)])
                }
                await #expect(throws: ProxyError.unknownPool("missing", listener: "one")) {
                    try await proxy.change(listeners: [listener("one", pool: "missing")], pools: [pool("a", server)])
                }
                #expect(!FileManager.default.fileExists(atPath: path))
                #expect(proxy.localAddresses == before)
                #expect(proxy.poolSnapshots().map(\.name) == ["a"])
                let (client, far) = try proxy.connect(through: server)
                try exchange(client, far)
            }
        }
    }

    @Test("an address that is removed and added again, or covered by another, is bound")
    func again() async throws {
        let server = try TestListener()
        let pools = [pool("a", server)]
        try await withProxy([listener("one")], pools) { proxy in
            let port = try #require(proxy.localAddress.port)
            for _ in 0..<3 {
                try await proxy.change(listeners: [listener("two", "127.0.0.1:\(port)")], pools: pools)
                #expect(proxy.localAddress.port == port)
                try await proxy.change(listeners: [listener("three", "0.0.0.0:\(port)")], pools: pools)
                try await proxy.change(listeners: [listener("four")], pools: pools)
            }
            try await proxy.change(listeners: [listener("two", "127.0.0.1:\(port)")], pools: pools)
            // A SYN that arrived at a socket that was about to be closed is retransmitted after a second.
            let (client, far) = try proxy.connect(through: server)
            try exchange(client, far)
        }
    }

    @Test("a Unix socket's file is removed with its listener, and kept with an unchanged one")
    func unixSockets() async throws {
        let server = try TestListener()
        try await withScratchFolder { directory in
            let (kept, gone) = ("\(directory)/kept", "\(directory)/gone")
            let pools = [pool("a", server)]
            let listeners = [try listener("kept", "unix:\(kept)"), try listener("gone", "unix:\(gone)")]
            try await withProxy(listeners, pools) { proxy in
                let changed = try listener("kept", "unix:\(kept)") { $0.timeouts.idle = .seconds(9) }
                try await proxy.change(listeners: [changed], pools: pools)
                #expect(FileManager.default.fileExists(atPath: kept))
                #expect(!FileManager.default.fileExists(atPath: gone))
                let client = try TestSocket.connect(to: TestAddress("unix:\(kept)")!)
                try exchange(client, try server.accept())
            }
            #expect(!FileManager.default.fileExists(atPath: kept))
        }
    }

    @Test("a change during shutdown is rejected")
    func stopping() async throws {
        let server = try TestListener()
        try await withProxy([listener("one")], [pool("a", server)]) { proxy in
            let (client, far) = try proxy.connect(through: server)
            async let drained = proxy.shutdown(grace: .seconds(60))
            try await eventually("start of the drain") { !proxy.isReady }
            try await eventually("rejection of a change") {
                do {
                    try await proxy.change(listeners: [listener("two")], pools: [pool("a", server)])
                    return false
                } catch {
                    return error as? ProxyError == .stopping
                }
            }
            try exchange(client, far)
            client.close()
            far.close()
            _ = await drained
        }
    }

    @Test("administrative state belongs to a server, not to its address")
    func servers() async throws {
        let (first, second) = (try TestListener(), try TestListener())
        let listeners = [try listener("one")]
        try await withProxy(listeners, [pool("a", first, second)]) { proxy in
            let facts = proxy.servers(ofPool: proxy.pools[0].number)
            #expect(!proxy.set(facts[0].key, .draining, cause: "a test", weight: 1, ordered: 7))
            var other = pool("a", second, first)
            other.servers[1].name = "renamed"
            other.queueLimit = 5
            let change = try await proxy.change(listeners: listeners, pools: [other])
            #expect(change.items == [.init(.pool("a"), .changed), .init(.server("renamed", pool: "a"), .changed)])
            let now = proxy.servers(ofPool: proxy.pools[0].number)
            #expect(now.map(\.key) == [facts[1].key, facts[0].key])
            #expect(now[1].state == .draining && now[1].weightOverride == 7 && now[1].weight == 1)
            try await proxy.change(listeners: listeners, pools: [pool("a", second)])
            try await proxy.change(listeners: listeners, pools: [pool("a", second, first)])
            let last = proxy.servers(ofPool: proxy.pools[0].number)
            #expect(last[1].key != facts[0].key)
            #expect(last[1].state == .unchecked && last[1].weightOverride == nil)
        }
    }

    @Test("a server that becomes one of the listeners is detected with the first client, on all local addresses")
    func loop() async throws {
        let server = try TestListener()
        try await withProxy([try listener("one", "0.0.0.0:0")], [pool("a", server)]) { proxy in
            let port = try #require(proxy.localAddress.port)
            for host in ["127.0.0.1", "127.0.0.9"] {
                // As an answer of a name server does, which is not checked for loops.
                let address = SocketAddress("\(host):\(port)")
                let before = proxy.snapshot()
                #expect(
                    try await proxy.change(
                        pool: proxy.pools[0].number,
                        to: [ServerConfiguration(address)],
                        ifStill: { true }
                    )
                )
                let client = try TestSocket.connect(to: TestAddress("127.0.0.1:\(port)")!)
                #expect(try client.receiveRest() == .init(bytes: [], end: .reset))
                try await eventually("end of the connections") { proxy.snapshot().activeConnections == 0 }
                #expect(proxy.snapshot().deniedConnections[.loop]! > before.deniedConnections[.loop]!)
                // The next connection of the circle may be accepted before this one has been recorded.
                #expect(proxy.snapshot().totalConnections - before.totalConnections < 10)
            }
        }
    }

    @Test("concurrent changes are serialized")
    func together() async throws {
        let server = try TestListener()
        try await withProxy([listener("0")], [pool("a", server)]) { proxy in
            try await withThrowingTaskGroup { group in
                for index in 1...20 {
                    let (name, pools) = ("\(index)", [pool("a", server)])
                    group.addTask { _ = try await proxy.change(listeners: [listener(name)], pools: pools) }
                }
                try await group.waitForAll()
            }
            #expect(proxy.localAddresses.count == 1)
            let (client, far) = try proxy.connect(through: server)
            try exchange(client, far)
        }
    }

    @Test("connections are listed with details, and closed by id, client or server")
    func connections() async throws {
        let (first, second) = (try TestListener(), try TestListener())
        let pools = [pool("a", first), pool("b", second)]
        try await withProxy([listener("one"), listener("two", pool: "b")], pools) { proxy in
            let (client, far) = try proxy.connect(through: first)
            try exchange(client, far)
            let others = try (0..<3).map { _ in try TestSocket.connect(to: address(proxy, 1)) }
            let ends = try others.map { _ in try second.accept() }
            try await eventually("four relayed connections") {
                let all = await proxy.connections(limit: 10).connections
                return all.count == 4 && all.allSatisfy { $0.stage == .relaying }
            }
            let snapshot = await proxy.connections(limit: 2)
            #expect(snapshot.total == 4)
            #expect(snapshot.connections.count == 2)
            let oldest = snapshot.connections[0]
            #expect((oldest.listener, oldest.pool, oldest.server) == ("one", "a", "\(first.address)"))
            #expect((oldest.bytesUpstream, oldest.bytesDownstream) == (4, 4))
            #expect("\(oldest.client)" == (try client.localAddress.description))
            #expect(oldest.age > .zero)

            var filter = ConnectionFilter()
            filter.server = "\(second.address)"
            filter.pool = "a"
            #expect(await proxy.closeConnections(filter) == 0)
            filter.pool = "b"
            #expect(await proxy.connections(filter, limit: 0).total == 3)
            #expect(await proxy.closeConnections(filter) == 3)
            for (client, end) in zip(others, ends) {
                #expect(try client.receiveRest().end == .reset)
                #expect(try end.receiveRest().end == .reset)
            }
            try exchange(client, far)
            var one = ConnectionFilter()
            one.id = oldest.id
            one.client = oldest.client
            #expect(await proxy.closeConnections(one) == 1)
            #expect(try client.receiveRest().end == .reset)
            #expect(proxy.snapshot().closures == [.init(reason: .forced, initiator: .proxy): 4])
        }
    }
}
