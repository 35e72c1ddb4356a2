import Balancing
import Synchronization
public import TCPProxy

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
        let named = Dictionary(zip(pools.map(\.name), settings)) { first, _ in first }
        let change = try await proxy.change(listeners: listeners, pools: pools) { server, pool in
            Self.initialState(of: server, in: pool, named[pool.name])
        }
        let numbers = Dictionary(proxy.pools.map { ($0.number, $0.name) }) { first, _ in first }
        state.withLock { state in
            for key in state.watched.keys {
                guard let name = numbers[key.pool], let settings = named[name] else { continue }
                let former = state.settings[name] ?? settings
                state.watched[key]?.healthState.adopt(settings, after: former)
            }
            state.settings = named
            state.checkContexts.keep(pools: Set(named.filter { $0.value.check?.tls != nil }.keys))
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

    /// Closes a share of the connections to a server, those that have been idle the longest, so that their clients
    /// connect again and the policy selects servers for them.
    ///
    /// - Parameters:
    ///   - percent: share of all connections to the server, 1 to 100, rounded up. Connections with bytes on their way
    ///     are not closed.
    ///   - server: name of the server.
    ///   - pool: name of its pool.
    /// - Returns: the number of connections closed.
    /// - Throws: ``UnknownServerError``.
    public func rebalance(_ percent: Int, server: String, pool: String) async throws(UnknownServerError) -> Int {
        guard let facts = proxy.pools.first(where: { $0.name == pool }) else { throw .pool(pool) }
        guard let found = proxy.servers(ofPool: facts.number).first(where: { $0.configuration.name == server }) else {
            throw .server(server, pool: pool)
        }
        return await proxy.closeIdleConnections(to: found.key, percent: percent)
    }

    /// Returns the state in which a server begins that is added while the process runs: with slow start, with
    /// little of its weight, and closed if its checks must pass first.
    static func initialState(
        of server: ServerConfiguration,
        in pool: PoolConfiguration,
        _ settings: PoolSettings?
    ) -> InitialServerState {
        let none = ServerHealthState.Attempts(connected: 0, failed: 0, consecutiveFailures: 0)
        let healthState = ServerHealthState(
            settings ?? PoolSettings(),
            seen: none,
            isAtStart: false,
            resolutionFailure: server.resolutionFailure
        )
        return InitialServerState(
            state: healthState.state,
            cause: healthState.cause,
            weight: healthState.weight(
                configured: server.weight,
                growing: !(pool.policy?.usesKey ?? false),
                at: 0
            )
        )
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
