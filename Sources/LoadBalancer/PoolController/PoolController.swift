import Balancing
public import Logging
import Synchronization
public import TCPProxy

/// Controller of the pools of a running proxy: checks the servers, takes those that fail out of selection, and restores
/// them when they recover.
///
/// It sets the state and the weight of each server; workers read them when they select a server. Logs each change of
/// state with its cause.
public final class PoolController: Sendable {
    /// A change of state to log.
    struct Change: Equatable {
        var server: String
        var pool: String
        var state: ServerState
        var cause: String
    }

    struct Watched {
        var healthState: ServerHealthState
        /// Current check settings.
        var check: HealthCheck?
        /// State last applied to the proxy.
        var reported: ReportedState?
    }

    /// State of a server in the proxy, with the configured weight that it is based on.
    struct ReportedState: Equatable {
        var state: ServerState
        var weight: Int
        var weightOverride: Int?
        var configuredWeight: Int
    }

    struct Lookup {
        var dueAt: Int
        /// End of the last lookup.
        var endedAt = 0
        var isRunning = false
        var isFailing = false
        /// Failed connection attempts to the pool's servers at the time of the last poll.
        var failures = 0

        /// Brings the next lookup forward: a server that cannot be reached may have another address now.
        mutating func expedite() {
            dueAt = min(dueAt, endedAt + PoolSettings.Resolution.rest.clampedNanoseconds)
        }
    }

    struct State {
        /// By pool name.
        var settings: [String: PoolSettings]
        var watched: [ServerKey: Watched] = [:]
        var lookups: [String: Lookup] = [:]
        /// Pools whose Maglev tables must be rebuilt.
        var staleTables: Set<Int> = []
        /// Incremented with each reload; the results of lookups of an earlier generation are discarded.
        var generation = 0
        /// Whether a reload is in progress.
        var isChanging = false
    }

    let proxy: Proxy
    let logger: Logger
    private let clock: any Clock<Duration>
    private let start: ContinuousClock.Instant = .now
    let state: Mutex<State>

    /// Interval at which the counters of connection attempts are polled.
    static let tick: Duration = .milliseconds(100)

    /// Creates a controller of a bound proxy.
    ///
    /// - Parameters:
    ///   - proxy: the proxy, bound with pools.
    ///   - settings: settings of the proxy's pools, in the same order.
    ///   - logger: receives each change of a server's state.
    ///   - clock: clock of checks and lookups.
    public init(
        _ proxy: Proxy,
        settings: [PoolSettings],
        logger: Logger,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.proxy = proxy
        self.logger = logger
        self.clock = clock
        let named = zip(proxy.pools, settings).map { ($0.name, $1) }
        state = Mutex(State(settings: Dictionary(named) { first, _ in first }))
    }

    /// Runs until the task is canceled. May be called only once.
    public func run() async {
        let monitor = HealthMonitor<ServerKey>(clock: clock) { [self] report in
            recordAttempts(report)
        }
        await withDiscardingTaskGroup { group in
            group.addTask { await monitor.run() }
            repeat {
                look(monitor)
                await refreshTables()
                for lookup in takeDueLookups() { group.addTask { await self.lookUp(lookup) } }
            } while (try? await clock.sleep(for: Self.tick)) != nil
            group.cancelAll()
        }
    }

    var now: Int { (ContinuousClock.now - start).clampedNanoseconds }

    // MARK: Polling

    /// Processes all changes since the last poll.
    private func look(_ monitor: HealthMonitor<ServerKey>) {
        var present: Set<ServerKey> = []
        for pool in proxy.pools {
            guard let settings = state.withLock({ $0.settings[pool.name] }) else { continue }
            let servers = proxy.servers(ofPool: pool.number)
            for facts in servers where present.insert(facts.key).inserted { meetServers(facts, settings, monitor) }
            for facts in servers { advance(facts, of: servers.map(\.key), pool, settings) }
        }
        let gone = state.withLock { state in
            let gone = state.watched.keys.filter { !present.contains($0) }
            for key in gone { state.watched[key] = nil }
            return gone
        }
        for key in gone { monitor.forget(key) }
    }

    /// Starts to track a server that is new, and applies changed check settings to the monitor.
    private func meetServers(_ facts: ServerInfo, _ settings: PoolSettings, _ monitor: HealthMonitor<ServerKey>) {
        let (isOther, check) = state.withLock { state -> (Bool, HealthCheck?) in
            state.meetServers(facts, settings)
            guard let watched = state.watched[facts.key], watched.check != settings.check else { return (false, nil) }
            state.watched[facts.key]?.check = settings.check
            return (true, settings.check.map(watched.healthState.continued))
        }
        guard isOther else { return }
        if let check {
            monitor.watch(facts.key, at: facts.configuration.address, by: check)
        } else {
            monitor.forget(facts.key)
        }
    }

    private func advance(_ facts: ServerInfo, of servers: [ServerKey], _ pool: PoolInfo, _ settings: PoolSettings) {
        state.withLock { state in
            let ejected = servers.count { state.watched[$0]?.healthState.isEjected ?? false }
            let mayEject =
                settings.ejection?.budget.allowsAnother(ejected: ejected, of: servers.count) ?? false
            state.watched[facts.key]?.healthState.advance(to: now, facts.attempts, mayEject: mayEject)
        }
        apply(facts, of: pool)
    }

    private func recordAttempts(_ report: HealthReport<ServerKey>) {
        guard report.isChange else { return }
        state.withLock { $0.watched[report.server]?.healthState.recordCheckResult(report.state, cause: report.cause) }
        guard let pool = proxy.pools.first(where: { $0.number == report.server.pool }) else { return }
        if report.state == .down { state.withLock { $0.lookups[pool.name]?.expedite() } }
        guard
            let facts = proxy.servers(ofPool: pool.number).first(where: { $0.key == report.server })
        else { return }
        apply(facts, of: pool)
    }

    /// Applies the server's health state to the proxy if it differs from the state last applied.
    private func apply(_ facts: ServerInfo, of pool: PoolInfo) {
        let change = state.withLock { state -> (change: Change, isLost: Bool)? in
            guard let watched = state.watched[facts.key] else { return nil }
            let healthState = watched.healthState
            let wanted = ReportedState(
                state: healthState.state,
                // With a policy that selects by a key of the client, a growing weight would move clients between
                // servers.
                weight: healthState.weight(
                    configured: facts.configuration.weight,
                    growing: !(pool.policy?.usesKey ?? false),
                    at: now
                ),
                weightOverride: healthState.weightOverride,
                configuredWeight: facts.configuration.weight
            )
            guard wanted != watched.reported else { return nil }
            let hasChanged = wanted.state != watched.reported?.state ?? facts.state
            state.watched[facts.key]?.reported = wanted
            let isStale = proxy.set(
                facts.key,
                wanted.state,
                cause: healthState.cause,
                weight: wanted.weight,
                ordered: wanted.weightOverride
            )
            if isStale { state.staleTables.insert(pool.number) }
            guard hasChanged else { return nil }
            let closes = state.settings[pool.name]?.onServerDown == .close
            return (
                Change(
                    server: facts.configuration.name,
                    pool: pool.name,
                    state: healthState.state,
                    cause: healthState.cause
                ),
                healthState.state == .down && closes || healthState.state == .disabled
            )
        }
        guard let change else { return }
        if change.isLost { proxy.closeConnections(to: facts.key) }
        report(change.change)
    }

    private func refreshTables() async {
        let stale = state.withLock { state in
            defer { state.staleTables = [] }
            return state.staleTables
        }
        for pool in stale { await proxy.refresh(pool: pool) }
    }

    private func report(_ change: Change) {
        let level: Logger.Level = change.state.takesConnections ? .notice : .warning
        logger.log(
            level: level,
            "Server \(change.server) of pool \(change.pool) is \(change.state.rawValue): \(change.cause)",
            metadata: ["server": "\(change.server)", "pool": "\(change.pool)"]
        )
    }
}

// Operations for administrators.
extension PoolController {
    /// Applies another configuration to the proxy and uses its pool settings from then on.
    ///
    /// - Parameters:
    ///   - listeners: the new listeners.
    ///   - pools: the new pools, with the names of their servers resolved.
    ///   - settings: settings of the pools, in the same order.
    /// - Returns: the changes.
    /// - Throws: the errors of `Proxy.change(listeners:pools:)`; in that case the configuration is
    ///   unchanged.
    public func change(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        settings: [PoolSettings]
    ) async throws(ProxyError) -> ProxyChange {
        // Results of lookups by the old names must not be applied, neither during the change nor after it.
        state.withLock { state in
            state.generation += 1
            state.lookups = [:]
            state.isChanging = true
        }
        defer { state.withLock { $0.isChanging = false } }
        let change = try await proxy.change(listeners: listeners, pools: pools)
        let named = Dictionary(zip(pools.map(\.name), settings)) { first, _ in first }
        let numbers = Dictionary(proxy.pools.map { ($0.number, $0.name) }) { first, _ in first }
        state.withLock { state in
            for key in state.watched.keys {
                guard let name = numbers[key.pool], let settings = named[name] else { continue }
                state.watched[key]?.healthState.adopt(settings, after: state.settings[name] ?? settings)
            }
            state.settings = named
        }
        return change
    }

    /// Sets the administrative state of a server, which overrides its checks. It lasts until it is set again, also
    /// across reloads while the server exists.
    ///
    /// - Throws: ``UnknownServerError``.
    public func setAdminState(
        _ adminState: ServerAdminState,
        server: String,
        pool: String
    ) throws(UnknownServerError) {
        try update(server, pool) { $0.adminState = adminState }
    }

    /// Sets the weight of a server in place of the configured one, with the same lifetime; nil restores the configured
    /// weight. Returns when all workers use it.
    ///
    /// - Parameters:
    ///   - weight: 0 to 256; other values are clamped.
    ///   - server: name of the server.
    ///   - pool: name of its pool.
    /// - Throws: ``UnknownServerError``.
    public func setWeight(_ weight: Int?, server: String, pool: String) async throws(UnknownServerError) {
        let facts = try update(server, pool) { $0.weightOverride = weight.map { min(max($0, 0), 256) } }
        guard facts.policy == .maglev else { return }
        // Refreshes even if the table is no longer marked as stale: the polling task may have taken the mark without
        // having updated the workers yet.
        state.withLock { _ = $0.staleTables.remove(facts.number) }
        await proxy.refresh(pool: facts.number)
    }

    @discardableResult
    private func update(
        _ server: String,
        _ pool: String,
        _ update: (inout ServerHealthState) -> Void
    ) throws(UnknownServerError) -> PoolInfo {
        guard let facts = proxy.pools.first(where: { $0.name == pool }) else { throw .pool(pool) }
        guard let found = proxy.servers(ofPool: facts.number).first(where: { $0.configuration.name == server }) else {
            throw .server(server, pool: pool)
        }
        state.withLock { state in
            state.meetServers(found, state.settings[pool] ?? PoolSettings())
            if var watched = state.watched[found.key] {
                update(&watched.healthState)
                state.watched[found.key] = watched
            }
        }
        apply(found, of: facts)
        return facts
    }
}

extension PoolController.State {
    fileprivate mutating func meetServers(_ facts: ServerInfo, _ settings: PoolSettings) {
        guard watched[facts.key] == nil else { return }
        watched[facts.key] = PoolController.Watched(healthState: ServerHealthState(settings, seen: facts.attempts))
    }
}

extension ServerInfo {
    fileprivate var attempts: ServerHealthState.Attempts {
        ServerHealthState.Attempts(connected: connected, failed: failed, consecutiveFailures: consecutiveFailures)
    }
}
