import Logging
import Sockets
import Support
import TCPProxy
import Testing

@testable import LoadBalancer

/// Servers of pools given by names that a real dnsmasq serves.
@Suite(
    "Server discovery with dnsmasq",
    .ownThreads,
    .serialized,
    .needs(RealServer.path(of: "dnsmasq"), package: "dnsmasq-base")
)
struct ServerDiscoveryTests {
    private func entry(_ address: String, _ nameServer: UInt16) throws -> ServerSection {
        var entry = ServerSection()
        entry.address = try ServerAddress(parsing: address)
        entry.name = address
        entry.resolver = DNSResolver(servers: [RealServer.address(nameServer)])
        return entry
    }

    private func port(_ listener: TestListener) -> UInt16 {
        if case .ip(_, let port) = listener.address { port } else { 0 }
    }

    @Test("SRV records give ports, weights and backups")
    func records() async throws {
        let port = try RealServer.freePort()
        let zone = [
            "--host-record=one.example,127.0.0.1", "--host-record=two.example,127.0.0.2",
            "--srv-host=_pg._tcp.db.example,one.example,5432,10,50",
            "--srv-host=_pg._tcp.db.example,two.example,5433,10,5",
            "--srv-host=_pg._tcp.db.example,one.example,5434,20,7",
            "--host-record=pair.example,127.0.0.4,::1",
        ]
        try await withNameServer(on: port, zone) { _ in
            var service = try entry("srv:_pg._tcp.db.example", port)
            service.maxConnections = 9
            var pair = try entry("pair.example:80", port)
            pair.weight = 3
            let servers = try await [service, pair].resolved()
            #expect(
                servers.map(\.name) == [
                    "srv:_pg._tcp.db.example (127.0.0.1:5432)", "srv:_pg._tcp.db.example (127.0.0.2:5433)",
                    "srv:_pg._tcp.db.example (127.0.0.1:5434)", "pair.example:80 ([::1]:80)",
                    "pair.example:80 (127.0.0.4:80)",
                ]
            )
            #expect(servers.map(\.weight) == [50, 5, 7, 3, 3])
            #expect(servers.map(\.isBackup) == [false, false, true, false, false])
            #expect(servers.map(\.maxConnections) == [9, 9, 9, nil, nil])
            let missing = try entry("srv:_none._tcp.db.example", port)
            do throws(ProxyError) {
                _ = try await [missing].resolved()
                Issue.record("a nonexistent service has servers")
            } catch {
                #expect("\(error)".contains("srv:_none._tcp.db.example"), "\(error)")
            }
        }
    }

    /// The record changes from one server to another: established connections stay, new connections go to the other
    /// server. While the name server is down, nothing changes.
    @Test("a server removed from the DNS response drains")
    func removedServer() async throws {
        let nameServer = try RealServer.freePort()
        let listeners = try (0..<2).map { _ in try TestListener() }
        func zone(_ listener: TestListener) -> [String] {
            [
                "--local-ttl=1", "--host-record=one.example,127.0.0.1",
                "--srv-host=_echo._tcp.example,one.example,\(port(listener)),10,1",
            ]
        }
        let entries = [try entry("srv:_echo._tcp.example", nameServer)]
        var proxy: Proxy?
        var resolution: PoolSettings.Resolution?
        try await withNameServer(on: nameServer, zone(listeners[0])) { _ in
            let resolved = try await entries.resolved(every: .milliseconds(50))
            resolution = resolved.resolution
            proxy = try await Proxy.bind(
                listeners: [
                    ListenerConfiguration(
                        name: "listener",
                        address: .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0))),
                        pool: "pool"
                    )
                ],
                pools: [PoolConfiguration(name: "pool", policy: .roundRobin, servers: resolved.answer.servers)]
            )
        }
        let running = try #require(proxy)
        let address = try #require(TestAddress("\(running.localAddress)"))
        var settings = PoolSettings()
        settings.resolution = resolution
        let poolController = PoolController(running, settings: [settings], logger: Logger(label: "test"))
        let servers = { running.poolSnapshots()[0].servers.map(\.configuration.address.description) }
        let tasks = [Task { try await running.run() }, Task { await poolController.run() }]
        let client = try TestSocket.connect(to: address)
        let server = try listeners[0].accept()
        // The name server is stopped, and restarted with another record.
        try await withNameServer(on: nameServer, zone(listeners[1])) { _ in
            try await eventually("the other server") { servers() == ["127.0.0.1:\(port(listeners[1]))"] }
            // The registry contains the server before the workers do. Changes are serialized, so an extra change that
            // has no effect returns only after the workers have applied the previous one.
            let number = running.pools[0].number
            #expect(try await !running.change(pool: number, to: []) { false })
            let next = try TestSocket.connect(to: address)
            let other = try listeners[1].accept()
            try next.send("hello")
            try other.receive("hello")
            try client.send("still here")
            try server.receive("still here")
        }
        #expect(servers() == ["127.0.0.1:\(port(listeners[1]))"])
        await running.shutdown(grace: .zero)
        for task in tasks { task.cancel() }
    }
}
