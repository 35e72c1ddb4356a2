import Balancing
import Dispatch
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

    private func withReloader(
        _ text: String,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        _ body: (Running) async throws -> Void
    ) async throws {
        let file = try ConfigurationFile(parsing: Array(text.utf8))
        var configuration = file.process
        configuration.threads = 2
        configuration.maxConnections = 100
        let resolved = try await file.resolved()
        let proxy = try await Proxy.bind(
            listeners: file.listenerConfigurations,
            pools: resolved.pools,
            configuration: configuration
        )
        let poolController = PoolController(proxy, settings: resolved.settings, logger: logger)
        let holder = Holder(text)
        let reloader = ConfigurationReloader(
            file,
            resolved: resolved,
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

    /// Port 9 of a loopback address: a name server that refuses queries.
    private static let noNameServer = "resolver: 127.0.0.1:9\n"

    @Test("a name that cannot be resolved keeps its server out, and neither start nor reload from working")
    func unresolved() async throws {
        let text = Self.noNameServer + Self.text("127.0.0.1:1001, db.example:5432")
        try await withReloader(text) { running in
            func servers() -> [ServerSnapshot] { running.proxy.poolSnapshots()[0].servers }
            #expect(servers().map(\.configuration.name) == ["127.0.0.1:1001", "db.example:5432"])
            #expect(running.states == [.unchecked, .unresolved])
            #expect(servers()[1].cause.hasPrefix("name server 127.0.0.1:9"), "\(servers()[1].cause)")
            #expect(!servers()[1].takesConnections && servers()[1].effectiveWeight == 0)
            try running.poolController.setAdminState(.draining, server: "db.example:5432", pool: "p")
            running.file.value = Self.noNameServer + Self.text("127.0.0.1:1002, db.example:5432, other.example:1")
            guard case .applied = await running.reloader.reload() else {
                Issue.record("the reload failed")
                return
            }
            #expect(running.states == [.unchecked, .draining, .unresolved])
        }
    }

    @Test("a reload keeps the known addresses of names that cannot be resolved")
    func knownAddresses() async throws {
        // The system's resolver knows localhost; the name server does not respond.
        try await withReloader(Self.text("localhost:1001")) { running in
            func addresses() -> Set<String> {
                Set(running.proxy.poolSnapshots()[0].servers.map { "\($0.configuration.address)" })
            }
            let before = addresses()
            #expect(!before.isDisjoint(with: ["127.0.0.1:1001", "[::1]:1001"]), "\(before)")
            running.file.value = Self.noNameServer + Self.text("localhost:1001, 127.0.0.1:1002")
            guard case .applied = await running.reloader.reload() else {
                Issue.record("the reload failed")
                return
            }
            #expect(addresses() == before.union(["127.0.0.1:1002"]))
        }
    }

    @Test("a name that must be resolved but cannot be is an error with its line")
    func required() async throws {
        try await withReloader(Self.text("127.0.0.1:1001")) { running in
            let servers = "127.0.0.1:1001, { address: db.example:5432, resolve: required }"
            running.file.value = Self.noNameServer + Self.text(servers)
            guard case .rejected(let errors) = await running.reloader.reload() else {
                Issue.record("the file was applied")
                return
            }
            let start = "test.yaml:5:45: error: pools.p.servers[1]: cannot resolve db.example: name server 127.0.0.1:9"
            #expect(errors.count == 1 && errors[0].hasPrefix(start), "\(errors)")
            #expect(running.states == [.unchecked])
        }
    }

    @Test("a server that a reload adds starts slowly, or down if its checks must pass first")
    func addedServer() async throws {
        let slow = ", slow-start: 1h, check: { type: tcp, initial: down, interval: 1h }"
        try await withReloader(Self.text("127.0.0.1:1001", ", slow-start: 1h")) { running in
            func facts() -> [ServerInfo] { running.proxy.servers(ofPool: running.proxy.pools[0].number) }
            #expect(facts().map(\.weight) == [EffectiveWeight.of(1)])
            running.file.value = Self.text("127.0.0.1:1001, 127.0.0.1:1002", ", slow-start: 1h")
            await running.reloader.reload()
            #expect(facts()[0].weight == EffectiveWeight.of(1))
            #expect(facts()[1].weight < EffectiveWeight.of(1) / 2)
            running.file.value = Self.text("127.0.0.1:1001, 127.0.0.1:1002, 127.0.0.1:1003", slow)
            await running.reloader.reload()
            #expect(facts()[2].state == .down)
        }
    }

    @Test("warnings are logged as warnings, whether the file is applied or rejected, and are not in the result")
    func warnings() async throws {
        let log = RecordedLog()
        try await withReloader(Self.text("127.0.0.1:1001"), logger: log.logger) { running in
            running.file.value = Self.text("127.0.0.1:1002", ", queue: {limit: 5}")
            guard case .applied = await running.reloader.reload() else {
                Issue.record("the reload failed")
                return
            }
            let applied = log.lines.withLock { $0 }
            #expect(applied.contains { $0.hasPrefix("warning: test.yaml:4:") && $0.contains("queue has no effect") })
            #expect(applied.contains { $0.hasPrefix("notice: Reloaded test.yaml: ") })
            #expect(!applied.contains { $0.hasPrefix("error: ") })
            log.lines.withLock { $0 = [] }
            running.file.value = Self.text("127.0.0.1:1003", ", queue: {limit: 5}") + "\nthreads: none\n"
            guard case .rejected(let errors) = await running.reloader.reload() else {
                Issue.record("an invalid file was applied")
                return
            }
            #expect(errors.count == 1 && errors[0].contains("threads"), "\(errors)")
            let rejected = log.lines.withLock { $0 }
            #expect(rejected.contains { $0.hasPrefix("warning: ") && $0.contains("queue has no effect") })
            #expect(rejected.filter { $0.hasPrefix("error: ") }.count == 2, "\(rejected)")
            #expect(rejected.contains("error: Reload of test.yaml failed: the previous configuration stays in use"))
        }
    }

    @Test("a canceled reload ends although its file cannot be read, so it does not delay the end of the process")
    func blockedFile() async throws {
        try await withReloader(Self.text("127.0.0.1:1001")) { running in
            let (started, start) = AsyncStream<Void>.makeStream()
            let release = DispatchSemaphore(value: 0)
            let file = try ConfigurationFile(parsing: Array(Self.text("127.0.0.1:1001").utf8))
            let reloader = ConfigurationReloader(
                file,
                resolved: try await file.resolved(),
                named: "test.yaml",
                proxy: running.proxy,
                poolController: running.poolController,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ) {
                start.yield()
                release.wait()
                return []
            }
            let reload = Task { await reloader.reload() }
            for await _ in started { break }
            reload.cancel()
            let outcome = await reload.value
            release.signal()
            guard case .rejected(let reasons) = outcome else {
                Issue.record("a file that was not read was applied")
                return
            }
            #expect(reasons.count == 1 && reasons[0].contains("canceled"), "\(reasons)")
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

/// Log lines with their levels.
private final class RecordedLog: Sendable {
    let lines = Mutex<[String]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: RecordedLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.lines.withLock { $0.append("\(event.level): \(event.message)") }
        }
    }
}
