import Logging
import Sockets
import Support
import Synchronization
import TCPProxy
import Testing

@testable import LoadBalancer

@Suite("Pool maintenance at run time", .timeLimit(.minutes(1)))
struct PoolControllerTests {
    private struct NoName: Error {}

    /// The result of resolving the names; nil while resolution fails.
    private final class Zone: Sendable {
        private let servers: Mutex<[ServerConfiguration]?>
        private let lookups = Mutex(0)

        init(_ servers: [ServerConfiguration]) { self.servers = Mutex(servers) }

        func set(_ servers: [ServerConfiguration]?) { self.servers.withLock { $0 = servers } }

        var count: Int { lookups.withLock { $0 } }

        func lookUp() throws -> [ServerConfiguration] {
            lookups.withLock { $0 += 1 }
            guard let servers = servers.withLock({ $0 }) else { throw NoName() }
            return servers
        }

        /// Runs a proxy with one pool of these servers, and its `PoolController`.
        func running(
            interval: Duration,
            slowStart: Duration? = nil,
            _ body: (Proxy) async throws -> Void
        ) async throws {
            let proxy = try await PoolControllerTests.proxy(to: lookUp())
            var settings = PoolSettings()
            settings.slowStart = slowStart
            settings.resolution = PoolSettings.Resolution(interval: interval) {
                PoolSettings.Resolution.Answer(servers: try self.lookUp())
            }
            let poolController = PoolController(proxy, settings: [settings], logger: Logger(label: "test"))
            try await withThrowingTaskGroup { group in
                group.addTask { try await proxy.run() }
                group.addTask { await poolController.run() }
                try await body(proxy)
                await proxy.shutdown(grace: .zero)
                group.cancelAll()
            }
        }
    }

    /// Binds a proxy with one pool of servers.
    private static func proxy(to servers: [ServerConfiguration]) async throws -> Proxy {
        let address = ServiceAddress.socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0)))
        return try await Proxy.bind(
            listeners: [ListenerConfiguration(name: "listener", address: address, pool: "pool")],
            pools: [PoolConfiguration(name: "pool", policy: .roundRobin, servers: servers)]
        )
    }

    private func server(_ port: UInt16) -> ServerConfiguration {
        ServerConfiguration(name: "\(port)", address: .internet(InternetAddress(v4: 0x7F00_0001, port: port)))
    }

    private func names(_ proxy: Proxy) -> [String] { proxy.poolSnapshots()[0].servers.map(\.configuration.name) }

    @Test("servers follow DNS results, and stay while resolution fails")
    func names() async throws {
        let zone = Zone([server(1)])
        try await zone.running(interval: .milliseconds(1)) { proxy in
            zone.set([server(1), server(2)])
            try await eventually("second server") { names(proxy) == ["1", "2"] }
            zone.set(nil)
            let before = zone.count
            try await eventually("failed lookup") { zone.count > before + 2 }
            #expect(names(proxy) == ["1", "2"])
            zone.set([server(2)])
            try await eventually("removal of the first server") { names(proxy) == ["2"] }
        }
    }

    @Test("a server that DNS adds starts slowly, and the others keep their weight")
    func slowStart() async throws {
        let zone = Zone([server(1)])
        try await zone.running(interval: .milliseconds(1), slowStart: .seconds(3600)) { proxy in
            zone.set([server(1), server(2)])
            try await eventually("second server") { names(proxy) == ["1", "2"] }
            let before = zone.count
            try await eventually("two more polls") { zone.count > before + 2 }
            let weights = proxy.poolSnapshots()[0].servers.map(\.effectiveWeight)
            #expect(weights[0] == 1)
            #expect(weights[1] < 0.2)
        }
    }

    @Test("a change of state without a cause is logged without a colon")
    func changeText() {
        var change = PoolController.Change(server: "a", pool: "p", state: .up, cause: "")
        #expect(change.text == "Server a of pool p is up")
        change.cause = "it passed"
        #expect(change.text == "Server a of pool p is up: it passed")
    }

    @Test("a failed connection triggers DNS resolution before the interval ends")
    func namesOnFailure() async throws {
        let zone = Zone([server(1)])
        try await zone.running(interval: .seconds(3600)) { proxy in
            let port = try #require(proxy.localAddresses[0].port)
            zone.set([server(2)])
            try await eventually("other server after a failed connection") {
                _ = try? TestSocket.connect(to: .ip("127.0.0.1", port: port))
                return names(proxy) == ["2"]
            }
        }
    }

    @Test("the TTL of the answer that the pool starts with determines the first lookup")
    func firstTimeToLive() async throws {
        for (time, pause) in [(Duration.seconds(7), 7), (.zero, 1), (nil, 60)] as [(Duration?, Int)] {
            let proxy = try await Self.proxy(to: [server(1)])
            var settings = PoolSettings()
            settings.resolution = PoolSettings.Resolution(interval: .seconds(60)) { throw NoName() }
            settings.resolution?.first = PoolSettings.Resolution.Answer(servers: [server(1)], timeToLive: time)
            let poolController = PoolController(proxy, settings: [settings], logger: Logger(label: "test"))
            #expect(poolController.takeDueLookups().isEmpty)
            let lookup = try #require(poolController.state.withLock { $0.lookups["pool"] })
            #expect(lookup.dueAt - lookup.endedAt == pause * 1_000_000_000)
            await proxy.shutdown(grace: .zero)
        }
    }

    @Test(
        "the TTL of a DNS answer applies, between one second and the interval",
        arguments: [(nil, 30), (0, 1), (1, 1), (7, 7), (3_600, 30)] as [(Int?, Int)]
    )
    func timeToLive(seconds: Int?, pause: Int) {
        let resolution = PoolSettings.Resolution(interval: .seconds(30)) { throw NoName() }
        let answer = PoolSettings.Resolution.Answer(servers: [], timeToLive: seconds.map { .seconds($0) })
        #expect(resolution.pause(after: answer) == .seconds(pause))
        #expect(resolution.pause(after: nil) == .seconds(30))
    }
}
