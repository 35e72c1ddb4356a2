import Balancing
public import Logging
import Synchronization
public import TCPProxy

/// Watches the servers of a proxy's pools while it runs: has them checked, leaves out those that fail, and takes them back.
///
/// It decides which servers are open and what they weigh; workers read that when they choose one. A line is logged for each
/// change, with its cause.
public final class PoolKeeper: Sendable {
    /// What is to be told of a change of state.
    struct Change: Equatable {
        var server: String
        var pool: String
        var state: ServerState
        var cause: String
    }

    private struct Watched {
        var standing: ServerStanding
        var weight: Int?
    }

    private let proxy: Proxy
    private let settings: [PoolSettings]
    private let names: [String]
    /// Whether a pool's policy goes by the client: then a weight that grows would move clients to and fro.
    private let keysDecide: [Bool]
    private let logger: Logger
    private let clock: any Clock<Duration>
    private let start: ContinuousClock.Instant = .now
    private let watched = Mutex<[ServerKey: Watched]>([:])

    /// How often it looks how clients' attempts to connect have gone.
    static let tick: Duration = .milliseconds(100)

    /// - Parameter settings: of the proxy's pools, in their order.
    public init(
        _ proxy: Proxy,
        settings: [PoolSettings],
        logger: Logger,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.proxy = proxy
        self.settings = settings
        self.logger = logger
        self.clock = clock
        let pools = proxy.poolSnapshots()
        names = pools.map(\.name)
        keysDecide = pools.map { $0.policy?.usesKey ?? false }
    }

    /// Watches until the task is cancelled. To be called once.
    public func run() async {
        let monitor = HealthMonitor<ServerKey>(clock: clock) { [self] report in
            hear(report)
        }
        await withDiscardingTaskGroup { group in
            group.addTask { await monitor.run() }
            for (pool, settings) in settings.enumerated() {
                guard let resolution = settings.resolution else { continue }
                group.addTask { await self.follow(resolution, of: pool) }
            }
            repeat { look(monitor) } while (try? await clock.sleep(for: Self.tick)) != nil
            group.cancelAll()
        }
    }

    /// Gives a pool the servers that its names stand for, until the task is cancelled.
    private func follow(_ resolution: PoolSettings.Resolution, of pool: Int) async {
        var isFailing = false
        while (try? await clock.sleep(for: resolution.interval)) != nil {
            do {
                let servers = try await resolution.servers()
                isFailing = false
                // Name servers tell addresses in another order each time.
                guard Set(servers) != Set(proxy.servers(ofPool: pool).map(\.configuration)) else { continue }
                try await proxy.change(pool: pool, to: servers)
                let names = servers.map(\.name).joined(separator: ", ")
                logger.notice("Pool \(self.names[pool]) has other servers: \(names)")
            } catch {
                if !isFailing { logger.warning("Pool \(names[pool]) keeps its servers: \(error)") }
                isFailing = true
            }
        }
    }

    private var now: Int { (ContinuousClock.now - start).clampedNanoseconds }

    /// What has happened since the last look.
    private func look(_ monitor: HealthMonitor<ServerKey>) {
        var present: Set<ServerKey> = []
        for (pool, settings) in settings.enumerated() {
            let servers = proxy.servers(ofPool: pool)
            for facts in servers where present.insert(facts.key).inserted {
                meet(facts, settings, monitor)
            }
            for facts in servers { advance(facts, of: servers.map(\.key), settings) }
        }
        let gone = watched.withLock { watched in
            let gone = watched.keys.filter { !present.contains($0) }
            for key in gone { watched[key] = nil }
            return gone
        }
        for key in gone { monitor.forget(key) }
    }

    /// Begins to watch a server that is new.
    private func meet(_ facts: ServerFacts, _ settings: PoolSettings, _ monitor: HealthMonitor<ServerKey>) {
        let isNew = watched.withLock { watched in
            guard watched[facts.key] == nil else { return false }
            watched[facts.key] = Watched(standing: ServerStanding(settings, seen: facts.attempts))
            return true
        }
        if isNew, let check = settings.check {
            monitor.watch(facts.key, at: facts.configuration.address, by: check)
        }
    }

    private func advance(_ facts: ServerFacts, of pool: [ServerKey], _ settings: PoolSettings) {
        watched.withLock { watched in
            let ejected = pool.count { watched[$0]?.standing.isEjected ?? false }
            let mayEject = settings.ejection?.mostEjected.allowsAnother(ejected: ejected, of: pool.count) ?? false
            watched[facts.key]?.standing.advance(to: now, facts.attempts, mayEject: mayEject)
        }
        apply(facts)
    }

    private func hear(_ report: HealthReport<ServerKey>) {
        guard report.isChange else { return }
        watched.withLock { $0[report.server]?.standing.heard(report.state, cause: report.cause) }
        let servers = proxy.servers(ofPool: report.server.pool)
        if let facts = servers.first(where: { $0.key == report.server }) { apply(facts) }
    }

    /// Has the proxy do what is thought of a server, if it does not yet.
    private func apply(_ facts: ServerFacts) {
        let change = watched.withLock { watched -> Change? in
            guard let standing = watched[facts.key]?.standing else { return nil }
            let weight = standing.weight(
                configured: facts.configuration.weight,
                growing: !keysDecide[facts.key.pool],
                at: now
            )
            let hasChanged = standing.state != facts.state
            guard hasChanged || weight != watched[facts.key]?.weight else { return nil }
            watched[facts.key]?.weight = weight
            proxy.set(facts.key, standing.state, cause: standing.cause, weight: weight)
            guard hasChanged else { return nil }
            return Change(
                server: facts.configuration.name,
                pool: names[facts.key.pool],
                state: standing.state,
                cause: standing.cause
            )
        }
        guard let change else { return }
        let isLost = change.state == .down && settings[facts.key.pool].whenDown == .close || change.state == .disabled
        if isLost { proxy.cutConnections(to: facts.key) }
        tell(change)
    }

    private func tell(_ change: Change) {
        let level: Logger.Level = change.state.takesConnections ? .notice : .warning
        logger.log(
            level: level,
            "Server \(change.server) of pool \(change.pool) is \(change.state.rawValue): \(change.cause)",
            metadata: ["server": "\(change.server)", "pool": "\(change.pool)"]
        )
    }
}

extension ServerFacts {
    fileprivate var attempts: ServerStanding.Attempts {
        ServerStanding.Attempts(connected: connected, failed: failed, failuresInARow: failuresInARow)
    }
}
