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

    fileprivate struct Watched {
        var standing: ServerStanding
        /// How it is checked now.
        var check: HealthCheck?
        /// What the proxy was last told of it.
        var told: Told?
    }

    /// What the proxy does with a server, and what of the configuration it has gone by.
    fileprivate struct Told: Equatable {
        var state: ServerState
        var weight: Int
        var orderedWeight: Int?
        var configuredWeight: Int
    }

    fileprivate struct Lookup {
        var dueAt: Int
        /// When the last one ended.
        var endedAt = 0
        var isRunning = false
        var isFailing = false
        /// Attempts to connect to the pool's servers that had failed by then.
        var failures = 0

        /// A server that is not where it was may have another address by now.
        mutating func hasten() {
            dueAt = min(dueAt, endedAt + PoolSettings.Resolution.rest.clampedNanoseconds)
        }
    }

    fileprivate struct State {
        /// By the pools' names.
        var settings: [String: PoolSettings]
        var watched: [ServerKey: Watched] = [:]
        var lookups: [String: Lookup] = [:]
        /// Pools whose tables have to be made anew.
        var staleTables: Set<Int> = []
        /// Look-ups that have begun before the last change of settings count for nothing.
        var generation = 0
        /// While another configuration is put in place.
        var isChanging = false
    }

    private let proxy: Proxy
    private let logger: Logger
    private let clock: any Clock<Duration>
    private let start: ContinuousClock.Instant = .now
    private let state: Mutex<State>

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
        self.logger = logger
        self.clock = clock
        let named = zip(proxy.pools, settings).map { ($0.name, $1) }
        state = Mutex(State(settings: Dictionary(named) { first, _ in first }))
    }

    /// Watches until the task is cancelled. To be called once.
    public func run() async {
        let monitor = HealthMonitor<ServerKey>(clock: clock) { [self] report in
            hear(report)
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

    private var now: Int { (ContinuousClock.now - start).clampedNanoseconds }

    // MARK: Names

    private struct DueLookup {
        var pool: PoolFacts
        var resolution: PoolSettings.Resolution
        var generation: Int
    }

    /// Pools whose names are to be looked up now.
    private func takeDueLookups() -> [DueLookup] {
        let (pools, now) = (proxy.pools, now)
        return state.withLock { state in
            guard !state.isChanging else { return [] }
            return pools.compactMap { pool in
                guard let resolution = state.settings[pool.name]?.resolution else { return nil }
                let interval = resolution.interval.clampedNanoseconds
                let failures = proxy.servers(ofPool: pool.number).reduce(0) { $0 + $1.failed }
                // The servers that a pool begins with have just been looked up.
                var lookup = state.lookups[pool.name] ?? Lookup(dueAt: now + interval, endedAt: now, failures: failures)
                if lookup.failures != failures {
                    lookup.failures = failures
                    lookup.hasten()
                }
                state.lookups[pool.name] = lookup
                guard !lookup.isRunning, lookup.dueAt <= now else { return nil }
                state.lookups[pool.name]?.isRunning = true
                return DueLookup(pool: pool, resolution: resolution, generation: state.generation)
            }
        }
    }

    /// Gives a pool the servers that its names stand for.
    private func lookUp(_ lookup: DueLookup) async {
        let pool = lookup.pool
        var pause = lookup.resolution.pause(after: nil)
        var failure: (any Error)?
        do {
            let answer = try await lookup.resolution.lookUp()
            pause = lookup.resolution.pause(after: answer)
            let servers = answer.servers
            // Name servers tell addresses in another order each time.
            if Set(servers) != Set(proxy.servers(ofPool: pool.number).map(\.configuration)) {
                let isDone = try await proxy.change(pool: pool.number, to: servers) {
                    state.withLock { $0.generation == lookup.generation }
                }
                let names = servers.map(\.name).joined(separator: ", ")
                if isDone { logger.notice("Pool \(pool.name) has other servers: \(names)") }
            }
        } catch {
            failure = error
        }
        let dueAt = now + pause.clampedNanoseconds
        let wasFailing = state.withLock { state -> Bool in
            guard state.generation == lookup.generation else { return true }
            let before = state.lookups[pool.name]
            state.lookups[pool.name] = Lookup(
                dueAt: dueAt,
                endedAt: now,
                isFailing: failure != nil,
                failures: before?.failures ?? 0
            )
            return before?.isFailing ?? false
        }
        if let failure, !wasFailing { logger.warning("Pool \(pool.name) keeps its servers: \(failure)") }
    }

    // MARK: Watching

    /// What has happened since the last look.
    private func look(_ monitor: HealthMonitor<ServerKey>) {
        var present: Set<ServerKey> = []
        for pool in proxy.pools {
            guard let settings = state.withLock({ $0.settings[pool.name] }) else { continue }
            let servers = proxy.servers(ofPool: pool.number)
            for facts in servers where present.insert(facts.key).inserted { meet(facts, settings, monitor) }
            for facts in servers { advance(facts, of: servers.map(\.key), pool, settings) }
        }
        let gone = state.withLock { state in
            let gone = state.watched.keys.filter { !present.contains($0) }
            for key in gone { state.watched[key] = nil }
            return gone
        }
        for key in gone { monitor.forget(key) }
    }

    /// Begins to watch a server that is new, and has each checked as is wanted now.
    private func meet(_ facts: ServerFacts, _ settings: PoolSettings, _ monitor: HealthMonitor<ServerKey>) {
        let (isOther, check) = state.withLock { state -> (Bool, HealthCheck?) in
            state.meet(facts, settings)
            guard let watched = state.watched[facts.key], watched.check != settings.check else { return (false, nil) }
            state.watched[facts.key]?.check = settings.check
            return (true, settings.check.map(watched.standing.continued))
        }
        guard isOther else { return }
        if let check {
            monitor.watch(facts.key, at: facts.configuration.address, by: check)
        } else {
            monitor.forget(facts.key)
        }
    }

    private func advance(_ facts: ServerFacts, of servers: [ServerKey], _ pool: PoolFacts, _ settings: PoolSettings) {
        state.withLock { state in
            let ejected = servers.count { state.watched[$0]?.standing.isEjected ?? false }
            let mayEject = settings.ejection?.mostEjected.allowsAnother(ejected: ejected, of: servers.count) ?? false
            state.watched[facts.key]?.standing.advance(to: now, facts.attempts, mayEject: mayEject)
        }
        apply(facts, of: pool)
    }

    private func hear(_ report: HealthReport<ServerKey>) {
        guard report.isChange else { return }
        state.withLock { $0.watched[report.server]?.standing.heard(report.state, cause: report.cause) }
        guard let pool = proxy.pools.first(where: { $0.number == report.server.pool }) else { return }
        if report.state == .down { state.withLock { $0.lookups[pool.name]?.hasten() } }
        guard
            let facts = proxy.servers(ofPool: pool.number).first(where: { $0.key == report.server })
        else { return }
        apply(facts, of: pool)
    }

    /// Has the proxy do what is thought of a server, if it does not yet.
    private func apply(_ facts: ServerFacts, of pool: PoolFacts) {
        let change = state.withLock { state -> (change: Change, isLost: Bool)? in
            guard let watched = state.watched[facts.key] else { return nil }
            let standing = watched.standing
            let wanted = Told(
                state: standing.state,
                // A weight that grows would move clients to and fro where the client decides.
                weight: standing.weight(
                    configured: facts.configuration.weight,
                    growing: !(pool.policy?.usesKey ?? false),
                    at: now
                ),
                orderedWeight: standing.orderedWeight,
                configuredWeight: facts.configuration.weight
            )
            guard wanted != watched.told else { return nil }
            let hasChanged = wanted.state != watched.told?.state ?? facts.state
            state.watched[facts.key]?.told = wanted
            let isStale = proxy.set(
                facts.key,
                wanted.state,
                cause: standing.cause,
                weight: wanted.weight,
                ordered: wanted.orderedWeight
            )
            if isStale { state.staleTables.insert(pool.number) }
            guard hasChanged else { return nil }
            let closes = state.settings[pool.name]?.whenDown == .close
            return (
                Change(
                    server: facts.configuration.name,
                    pool: pool.name,
                    state: standing.state,
                    cause: standing.cause
                ),
                standing.state == .down && closes || standing.state == .disabled
            )
        }
        guard let change else { return }
        if change.isLost { proxy.cutConnections(to: facts.key) }
        tell(change.change)
    }

    private func refreshTables() async {
        let stale = state.withLock { state in
            defer { state.staleTables = [] }
            return state.staleTables
        }
        for pool in stale { await proxy.refresh(pool: pool) }
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

// What people change while it runs.
extension PoolKeeper {
    /// Has the proxy serve by another configuration, and watches its pools by it from then on.
    ///
    /// - Parameter settings: of the pools, in their order.
    /// - Returns: what has changed.
    /// - Throws: what ``TCPProxy/Proxy/change(listeners:pools:)`` throws; then nothing has changed.
    public func change(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        settings: [PoolSettings]
    ) async throws(ProxyError) -> ProxyChange {
        // What is being looked up by the old names must not come in between, nor after.
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
                state.watched[key]?.standing.adopt(settings, after: state.settings[name] ?? settings)
            }
            state.settings = named
        }
        return change
    }

    /// Has a server take connections or not, whatever its checks say, until it is told otherwise; also across changes of the
    /// configuration, for as long as the server stays.
    public func order(_ order: ServerOrder, server: String, pool: String) throws(UnknownServerError) {
        try update(server, pool) { $0.order = order }
    }

    /// Gives a server another weight than the configured one, in the same way; nil gives it that one back. Returns when all
    /// threads go by it.
    ///
    /// - Parameter weight: 0 to 256; beyond that it is cut.
    public func order(weight: Int?, server: String, pool: String) async throws(UnknownServerError) {
        let facts = try update(server, pool) { $0.orderedWeight = weight.map { min(max($0, 0), 256) } }
        guard facts.policy == .maglev else { return }
        // Whether or not the table is still marked as stale: the watch may have taken the mark, and still be about to tell
        // the workers.
        state.withLock { _ = $0.staleTables.remove(facts.number) }
        await proxy.refresh(pool: facts.number)
    }

    @discardableResult
    private func update(
        _ server: String,
        _ pool: String,
        _ update: (inout ServerStanding) -> Void
    ) throws(UnknownServerError) -> PoolFacts {
        guard let facts = proxy.pools.first(where: { $0.name == pool }) else { throw .pool(pool) }
        guard let found = proxy.servers(ofPool: facts.number).first(where: { $0.configuration.name == server }) else {
            throw .server(server, pool: pool)
        }
        state.withLock { state in
            state.meet(found, state.settings[pool] ?? PoolSettings())
            if var watched = state.watched[found.key] {
                update(&watched.standing)
                state.watched[found.key] = watched
            }
        }
        apply(found, of: facts)
        return facts
    }
}

/// What somebody has ordered about a server, beside which nothing else counts.
public enum ServerOrder: String, Sendable, CaseIterable {
    case enable
    /// Take no new connections.
    case drain
    /// Take none, and lose those that are there.
    case disable
}

/// A server, or its pool, that is not there.
public enum UnknownServerError: Error, Hashable, Sendable {
    case pool(String)
    case server(String, pool: String)
}

extension UnknownServerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .pool(let pool): "there is no pool '\(pool)'; /pools has all"
        case .server(let server, let pool): "pool \(pool) has no server '\(server)'; /pools has all, by their names"
        }
    }
}

extension PoolKeeper.State {
    fileprivate mutating func meet(_ facts: ServerFacts, _ settings: PoolSettings) {
        guard watched[facts.key] == nil else { return }
        watched[facts.key] = PoolKeeper.Watched(standing: ServerStanding(settings, seen: facts.attempts))
    }
}

extension ServerFacts {
    fileprivate var attempts: ServerStanding.Attempts {
        ServerStanding.Attempts(connected: connected, failed: failed, failuresInARow: failuresInARow)
    }
}
