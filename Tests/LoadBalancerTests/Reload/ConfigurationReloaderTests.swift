import Balancing
import Logging
import Sockets
import Support
import Synchronization
import Testing

@testable import LoadBalancer
@testable import TCPProxy

@Suite("Configuration reload and administrative state", .ownThreads, .timeLimit(.minutes(1)))
struct ConfigurationReloaderTests {
    private static func text(_ servers: String, listener: String = "a", _ more: String = "") -> String {
        """
        listeners:
          \(listener): { listen: 127.0.0.1:0, pool: p }
        pools:
          p: { servers: [\(servers)]\(more) }
        """
    }

    private struct Running: Sendable {
        let proxy: Proxy
        let poolController: PoolController
        let reloader: ConfigurationReloader
        let file: Holder

        var states: [ServerState] { proxy.poolSnapshots()[0].servers.map(\.state) }
    }

    private func withReloader(_ text: String, _ body: (Running) async throws -> Void) async throws {
        let file = try ConfigurationFile(parsing: Array(text.utf8))
        var configuration = file.process
        configuration.threads = 2
        configuration.maxConnections = 100
        let proxy = try await Proxy.bind(
            listeners: file.listenerConfigurations,
            pools: try await file.resolvedPools(),
            configuration: configuration
        )
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let poolController = PoolController(proxy, settings: file.poolSettings, logger: logger)
        let holder = Holder(text)
        let reloader = ConfigurationReloader(
            file,
            named: "test.yaml",
            proxy: proxy,
            poolController: poolController,
            logger: logger
        ) {
            Array(holder.value.utf8)
        }
        try await withThrowingTaskGroup { group in
            group.addTask { try await proxy.run() }
            group.addTask { await poolController.run() }
            let result: Result<Void, any Error>
            do {
                result = .success(
                    try await body(
                        Running(
                            proxy: proxy,
                            poolController: poolController,
                            reloader: reloader,
                            file: holder
                        )
                    )
                )
            } catch {
                result = .failure(error)
            }
            await proxy.shutdown(grace: .zero)
            group.cancelAll()
            try result.get()
        }
    }

    @Test("a reload adds and removes servers and listeners, and reports it")
    func changes() async throws {
        try await withReloader(Self.text("127.0.0.1:1001, 127.0.0.1:1002")) { running in
            running.file.value = Self.text("127.0.0.1:1002, 127.0.0.1:1003", listener: "b")
            let outcome = await running.reloader.reload()
            #expect(
                outcome
                    == .applied(
                        changes: [
                            "listener a removed", "listener b added", "server 127.0.0.1:1001 of pool p removed",
                            "server 127.0.0.1:1003 of pool p added",
                        ],
                        connectionsAffected: 0
                    )
            )
            let servers = running.proxy.poolSnapshots()[0].servers
            #expect(servers.map(\.configuration.name) == ["127.0.0.1:1002", "127.0.0.1:1003"])
            #expect(await running.reloader.reload() == .applied(changes: [], connectionsAffected: 0))
            #expect(running.reloader.statistics.applied == 2)
            #expect(running.reloader.statistics.wasSuccessful)
        }
    }

    @Test("an invalid file or a port in use changes nothing, and every error is reported")
    func refusals() async throws {
        let taken = try TestListener()
        try await withReloader(Self.text("127.0.0.1:1001")) { running in
            let before = running.proxy.localAddresses
            running.file.value = Self.text("127.0.0.1:0", listener: "b") + "\nthreads: none\n"
            guard case .rejected(let mistakes) = await running.reloader.reload() else {
                Issue.record("an invalid file was applied")
                return
            }
            #expect(mistakes.count == 2 && mistakes.allSatisfy { $0.hasPrefix("test.yaml:") }, "\(mistakes)")
            running.file.value = Self.text("127.0.0.1:1001", listener: "b")
                .replacing("127.0.0.1:0", with: "\(taken.address)")
            guard case .rejected(let reasons) = await running.reloader.reload() else {
                Issue.record("a listener on a port in use was applied")
                return
            }
            #expect(reasons.count == 1 && reasons[0].contains("in use"), "\(reasons)")
            #expect(running.proxy.localAddresses == before)
            #expect(running.proxy.listenerSnapshots().map(\.name) == ["a"])
            #expect(running.reloader.statistics.rejected == 2)
            #expect(!running.reloader.statistics.wasSuccessful)
        }
    }

    @Test("drain, disable and weight of a remaining server survive a reload")
    func orders() async throws {
        try await withReloader(Self.text("127.0.0.1:1001, 127.0.0.1:1002, 127.0.0.1:1003")) { running in
            let poolController = running.poolController
            try poolController.setAdminState(.draining, server: "127.0.0.1:1001", pool: "p")
            try poolController.setAdminState(.disabled, server: "127.0.0.1:1002", pool: "p")
            try await poolController.setWeight(9, server: "127.0.0.1:1003", pool: "p")
            #expect(running.states == [.draining, .disabled, .unchecked])
            running.file.value = Self.text(
                "127.0.0.1:1003, { address: 127.0.0.1:1002, weight: 4 }, 127.0.0.1:1001, 127.0.0.1:1004",
                ", on-all-down: try"
            )
            guard case .applied = await running.reloader.reload() else {
                Issue.record("the reload failed")
                return
            }
            #expect(running.states == [.unchecked, .disabled, .draining, .unchecked])
            let facts = running.proxy.servers(ofPool: running.proxy.pools[0].number)
            #expect(facts.map(\.weightOverride) == [9, nil, nil, nil])
            #expect(facts[0].weight == EffectiveWeight.of(9))
            try poolController.setAdminState(.enabled, server: "127.0.0.1:1001", pool: "p")
            try await poolController.setWeight(nil, server: "127.0.0.1:1003", pool: "p")
            #expect(running.states == [.unchecked, .disabled, .unchecked, .unchecked])
            try await eventually("configured weights") {
                let facts = running.proxy.servers(ofPool: running.proxy.pools[0].number)
                return facts.map(\.weight) == [1, 4, 1, 1].map { EffectiveWeight.of($0) }
            }
            #expect(throws: PoolController.UnknownServerError.pool("q")) {
                try poolController.setAdminState(.draining, server: "a", pool: "q")
            }
            #expect(throws: PoolController.UnknownServerError.server("a", pool: "p")) {
                try poolController.setAdminState(.draining, server: "a", pool: "p")
            }
        }
    }

    @Test("a weight override rebuilds the Maglev table")
    func table() async throws {
        let listeners = try (0..<2).map { _ in try TestListener() }
        let servers = listeners.map { "\($0.address)" }.joined(separator: ", ")
        try await withReloader(Self.text(servers, ", policy: maglev")) { running in
            let address = try #require(TestAddress("\(running.proxy.localAddress)"))
            /// Opens five connections; returns the number of connections of each server before.
            func chosen() throws -> [Int] {
                let before = running.proxy.poolSnapshots()[0].servers.map(\.connected)
                for _ in 0..<5 { try TestSocket.connect(to: address).close() }
                return before
            }
            func counts() -> [Int] { running.proxy.poolSnapshots()[0].servers.map(\.connected) }
            _ = try chosen()
            try await eventually("five connections") { counts().reduce(0, +) == 5 }
            // Each client maps to one server; a table without that server maps the client to the other one.
            let first = try #require(counts().firstIndex(of: 5))
            let name = "\(listeners[first].address)"
            try await running.poolController.setWeight(0, server: name, pool: "p")
            _ = try chosen()
            try await eventually("five connections to the other server") { counts()[1 - first] == 5 }
            let entry = running.proxy.core.pools.entries[0]
            #expect(entry.plan.table?.placeCount(of: first) == 0)
            try await running.poolController.setWeight(nil, server: name, pool: "p")
            _ = try chosen()
            try await eventually("five more connections to the first server") { counts()[first] == 10 }
        }
    }
}

/// A text that a test changes while others read it.
private final class Holder: Sendable {
    private let text: Mutex<String>

    init(_ text: String) { self.text = Mutex(text) }

    var value: String {
        get { text.withLock(\.self) }
        set { text.withLock { $0 = newValue } }
    }
}
