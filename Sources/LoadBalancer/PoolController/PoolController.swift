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

        /// The message of the log line.
        var text: String {
            "Server \(server) of pool \(pool) is \(state.rawValue)" + (cause.isEmpty ? "" : ": \(cause)")
        }
    }

    struct Watched {
        var healthState: ServerHealthState { didSet { if healthState != oldValue { resting = nil } } }
        /// The configuration and the attempts with which the state stays as it is until it is set to another one; nil if
        /// it changes as time passes, or has changed.
        var resting: Rest?
        /// Current check settings.
        var check: ServerCheck?
        /// State last applied to the proxy.
        var reported: ReportedState?
    }

    /// The health check of a server.
    struct ServerCheck: Equatable {
        var settings: HealthCheck
        var tls: StreamTLS?
    }

    /// What a pool was like when none of its servers had to be looked at.
    struct PoolRest: Equatable {
        /// See ``Proxy/poolsVersion``.
        var version: Int
        var attempts: Int
        /// See ``State/changes``.
        var changes: Int
    }

    struct Rest: Equatable {
        var configuration: ServerConfiguration
        var attempts: ServerHealthState.Attempts
    }

    /// State of a server in the proxy, with the configured weight that it is based on.
    struct ReportedState: Equatable {
        var state: ServerState
        var cause: String
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
        var settings: [String: PoolSettings] { didSet { changes += 1 } }
        var watched: [ServerKey: Watched] = [:] { didSet { changes += 1 } }
        /// Number of changes of `settings` and `watched`, also of those without effect.
        var changes = 0
        /// By pool number.
        var restingPools: [Int: PoolRest] = [:]
        /// The version of the pools of which the removed servers have been forgotten.
        var forgottenVersion: Int?
        var lookups: [String: Lookup] = [:]
        var checkContexts = CheckContexts()
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
        meetFirstServers()
    }

    /// Runs until the task is canceled. May be called only once.
    public func run() async {
        let monitor = HealthMonitor<ServerKey>(clock: clock) { [self] report in
            recordCheck(report)
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
        // Read before the pools: a change in between is found in the next poll.
        let version = proxy.poolsVersion
        for pool in proxy.pools {
            let attempts = proxy.attempts(ofPool: pool.number)
            guard let settings = settings(ofPool: pool, version, attempts) else { continue }
            let servers = proxy.servers(ofPool: pool.number)
            for facts in servers { meetServers(facts, of: pool, monitor) }
            let awake = awake(servers, of: pool, version, attempts)
            // Counted once, not for each of them.
            var ejected = awake.isEmpty ? 0 : ejectedCount(of: servers)
            for facts in awake {
                ejected += advance(facts, ejected: ejected, of: servers.count, pool, settings)
            }
        }
        forgetRemovedServers(version, monitor)
    }

    /// Returns the settings of a pool; nil if it has none or if none of its servers has to be looked at.
    private func settings(ofPool pool: PoolInfo, _ version: Int, _ attempts: Int) -> PoolSettings? {
        state.withLock { state in
            let now = PoolRest(version: version, attempts: attempts, changes: state.changes)
            return state.restingPools[pool.number] == now ? nil : state.settings[pool.name]
        }
    }

    private func forgetRemovedServers(_ version: Int, _ monitor: HealthMonitor<ServerKey>) {
        guard state.withLock({ $0.forgottenVersion != version }) else { return }
        var present: Set<ServerKey> = []
        let pools = proxy.pools
        for pool in pools { present.formUnion(proxy.servers(ofPool: pool.number).map(\.key)) }
        let gone = state.withLock { state in
            state.forgottenVersion = version
            let numbers = Set(pools.map(\.number))
            state.restingPools = state.restingPools.filter { numbers.contains($0.key) }
            let gone = state.watched.keys.filter { !present.contains($0) }
            for key in gone { state.watched[key] = nil }
            return gone
        }
        for key in gone { monitor.forget(key) }
    }

    /// Starts to track the servers that the process starts with, and closes those that must not take connections yet.
    private func meetFirstServers() {
        for pool in proxy.pools {
            guard let settings = state.withLock({ $0.settings[pool.name] }) else { continue }
            for facts in proxy.servers(ofPool: pool.number) {
                let state = state.withLock { state -> ServerState? in
                    state.meetServers(facts, settings, isAtStart: true)
                    return state.watched[facts.key]?.healthState.state
                }
                if state != facts.state { apply(facts, of: pool) }
            }
        }
    }

    /// Starts to track a server that is new, and applies changed check settings to the monitor.
    private func meetServers(_ facts: ServerInfo, of pool: PoolInfo, _ monitor: HealthMonitor<ServerKey>) {
        let (isOther, check) = state.withLock { state -> (Bool, ServerCheck?) in
            // While a reload is in progress, a server that it adds would be met with the settings from before.
            guard !state.isChanging, let settings = state.settings[pool.name] else { return (false, nil) }
            state.meetServers(facts, settings)
            // A server without an address cannot be checked.
            let check = facts.configuration.resolutionFailure == nil ? settings.check : nil
            var current = check.map { ServerCheck(settings: $0, tls: state.tls(of: facts, for: $0, inPool: pool.name)) }
            guard let watched = state.watched[facts.key], watched.check != current else { return (false, nil) }
            state.watched[facts.key]?.check = current
            if let check { current?.settings = watched.healthState.continued(check) }
            return (true, current)
        }
        guard isOther else { return }
        if let check {
            monitor.watch(facts.key, at: facts.configuration.address, by: check.settings, tls: check.tls)
        } else {
            monitor.forget(facts.key)
        }
    }

    /// Returns the servers whose state may have to change: usually few of many.
    private func awake(
        _ servers: [ServerInfo],
        of pool: PoolInfo,
        _ version: Int,
        _ attempts: Int
    ) -> [ServerInfo] {
        state.withLock { state in
            let awake = servers.filter { $0.rest != state.watched[$0.key]?.resting }
            if awake.isEmpty {
                state.restingPools[pool.number] = PoolRest(version: version, attempts: attempts, changes: state.changes)
            }
            return awake
        }
    }

    private func ejectedCount(of servers: [ServerInfo]) -> Int {
        state.withLock { state in servers.count { state.watched[$0.key]?.healthState.isEjected ?? false } }
    }

    /// - Parameters:
    ///   - ejected: number of ejected servers in the pool.
    ///   - count: number of servers in the pool.
    /// - Returns: the change of the number of ejected servers.
    private func advance(
        _ facts: ServerInfo,
        ejected: Int,
        of count: Int,
        _ pool: PoolInfo,
        _ settings: PoolSettings
    ) -> Int {
        let change = state.withLock { state -> Int in
            guard var server = state.watched[facts.key]?.healthState else { return 0 }
            let mayEject = settings.ejection?.budget.allowsAnother(ejected: ejected, of: count) ?? false
            let wasEjected = server.isEjected
            server.resolutionFailure = facts.configuration.resolutionFailure
            server.advance(to: now, facts.attempts, mayEject: mayEject)
            server.noteAvailability(configured: facts.configuration.weight, at: now)
            state.watched[facts.key]?.healthState = server
            // Noted before the state is applied: if it is changed in between, the next poll looks at the server again.
            state.watched[facts.key]?.resting = server.isAtRest(at: now) ? facts.rest : nil
            return (server.isEjected ? 1 : 0) - (wasEjected ? 1 : 0)
        }
        apply(facts, of: pool)
        return change
    }

    private func recordCheck(_ report: HealthReport<ServerKey>) {
        let hasChanged = state.withLock { state in
            guard let before = state.watched[report.server]?.healthState else { return false }
            var server = before
            server.recordCheckResult(report.state, passed: report.passed, cause: report.cause, at: now)
            // Most checks change nothing, and a change ends the rest of the pool.
            if server != before { state.watched[report.server]?.healthState = server }
            return server.state != before.state
        }
        // The next poll applies a changed cause.
        guard hasChanged || report.isChange else { return }
        guard let pool = proxy.pool(report.server.pool) else { return }
        if report.state == .down { state.withLock { $0.lookups[pool.name]?.expedite() } }
        guard
            let facts = proxy.servers(ofPool: pool.number).first(where: { $0.key == report.server })
        else { return }
        apply(facts, of: pool)
    }

    /// Applies the server's health state to the proxy if it differs from the state last applied.
    func apply(_ facts: ServerInfo, of pool: PoolInfo) {
        let change = state.withLock { state -> (change: Change, isLost: Bool)? in
            guard let watched = state.watched[facts.key] else { return nil }
            var healthState = watched.healthState
            healthState.noteAvailability(configured: facts.configuration.weight, at: now)
            state.watched[facts.key]?.healthState = healthState
            let wanted = ReportedState(
                state: healthState.state,
                cause: healthState.cause,
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
                cause: wanted.cause,
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
            "\(change.text)",
            metadata: ["server": "\(change.server)", "pool": "\(change.pool)"]
        )
    }
}

extension PoolController.State {
    mutating func meetServers(_ facts: ServerInfo, _ settings: PoolSettings, isAtStart: Bool = false) {
        guard watched[facts.key] == nil else { return }
        watched[facts.key] = PoolController.Watched(
            healthState: ServerHealthState(
                settings,
                seen: facts.attempts,
                isAtStart: isAtStart,
                resolutionFailure: facts.configuration.resolutionFailure
            )
        )
    }
}

extension ServerInfo {
    fileprivate var rest: PoolController.Rest {
        PoolController.Rest(configuration: configuration, attempts: attempts)
    }

    fileprivate var attempts: ServerHealthState.Attempts {
        ServerHealthState.Attempts(connected: connected, failed: failed, consecutiveFailures: consecutiveFailures)
    }
}
