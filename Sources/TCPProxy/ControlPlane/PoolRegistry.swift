import Balancing
import Sockets
import Synchronization

/// The control plane's view of the pools: the servers, names and numbers of each.
///
/// The number of a pool and the index of a server are reused only when no longer referenced: by no worker that has not
/// yet processed the change, and by no connection.
final class PoolRegistry: Sendable {
    struct Server: Sendable {
        var configuration: ServerConfiguration
        let share: SharedServerState
        /// Counters at this server's index at the time when the server was added.
        let origin: MetricRow<ServerMetric>
        var state = ServerState.unchecked
        var cause = ""
        /// The weight set by an administrator in place of the configured weight.
        var weightOverride: Int?

        var serial: Int { share.serial }
    }

    struct Entry: Sendable {
        let number: Int
        var configuration: PoolConfiguration
        let share: SharedPoolState
        /// Counters under this pool's number at the time when the pool was added.
        let origin: MetricRow<PoolMetric>
        var servers: [Server]

        var plan: PoolPlan {
            PoolPlan(
                share: share,
                policy: configuration.policy,
                servers: servers.map { server in
                    PoolPlan.Server(
                        share: server.share,
                        address: RawAddress(server.configuration.address),
                        isBackup: server.configuration.isBackup
                    )
                },
                table: configuration.policy == .maglev ? MaglevTable(servers) : nil,
                onAllDown: configuration.onAllDown,
                queueLimit: configuration.queueLimit,
                queueTimeout: configuration.queueTimeout,
                proxyProtocol: configuration.proxyProtocol
            )
        }

        func key(of server: Server) -> ServerKey {
            ServerKey(pool: number, id: server.share.id, serial: server.serial)
        }
    }

    /// The pools as they will be after a change; not visible to readers before ``commit(_:)``.
    struct Draft: Sendable {
        fileprivate(set) var entries: [Entry] = []
        fileprivate var takenServers: [SharedServerState] = []
        fileprivate var takenNumbers: [Int] = []

        /// Returns the number of the pool with this name.
        func number(of pool: String) -> Int? { entries.first { $0.configuration.name == pool }?.number }
    }

    private struct State {
        var entries: [Entry] = []
        /// Removed pools whose listeners may still have connections.
        var retiredPools: [Entry] = []
        /// Servers removed from their pool that may still have connections.
        var retired: [SharedServerState] = []
        var numbers = IDAllocator(capacity: SharedPoolState.capacity)
        /// Pool names by number. The entry of a removed pool stays until its number is reused.
        var names: [Int: String] = [:]
        /// Configurations of present and former servers, by the serial of the server's share.
        var known: [Int: ServerConfiguration] = [:]
        /// Serials of servers that are no longer referenced, oldest first.
        var forgotten: [Int] = []
    }

    /// The number of unreferenced servers whose configuration is kept, because worker events that refer to them may be
    /// unread.
    private static let remembered = 1024

    private let memory: SharedMemory
    private let state = Mutex(State())

    init(_ memory: SharedMemory) {
        self.memory = memory
    }

    /// All pools, in the order of the configuration.
    var entries: [Entry] { state.withLock(\.entries) }

    /// Returns the configuration of a present or former server by the serial of its share; nil if it was removed long
    /// ago.
    func server(_ serial: Int) -> ServerConfiguration? { state.withLock { $0.known[serial] } }

    /// Returns the name of the pool that has this number or had it last.
    func name(ofPool number: Int) -> String { state.withLock { $0.names[number] ?? "" } }

    /// Returns the numbers of the present and former pools with this name.
    func numbers(named name: String) -> Set<Int16> {
        state.withLock { state in Set(state.names.filter { $0.value == name }.keys.map { Int16($0) }) }
    }

    /// Returns the serials of the present and former servers with this name.
    func serials(ofServersNamed name: String) -> Set<Int> {
        state.withLock { state in Set(state.known.filter { $0.value.name == name }.keys) }
    }

    /// Adds the initial pools of a proxy.
    ///
    /// - Returns: the plans for the workers, in the order of the pools' numbers.
    /// - Throws: ``ProxyError/tooManyServers(limit:)``.
    func add(_ pools: [PoolConfiguration]) throws(ProxyError) -> [PoolPlan] {
        commit(try draft(pools)).map(\.plan)
    }

    // MARK: Changes

    /// Prepares a change to these pools. ``commit(_:)`` or ``abandon(_:)`` must follow before the next draft.
    ///
    /// - Throws: ``ProxyError/tooManyServers(limit:)``, ``ProxyError/tooManyPools(limit:)``.
    func draft(_ pools: [PoolConfiguration]) throws(ProxyError) -> Draft {
        var draft = Draft()
        let present = entries
        do throws(ProxyError) {
            for pool in pools {
                let before = present.first { $0.configuration.name == pool.name }
                let number = if let before { before.number } else { try takeNumber(&draft) }
                draft.entries.append(
                    Entry(
                        number: number,
                        configuration: pool,
                        share: memory.pools[number],
                        origin: before?.origin ?? MetricRow(number, of: memory.poolMetrics),
                        servers: try servers(pool.servers, beside: before?.servers ?? [], &draft)
                    )
                )
            }
        } catch {
            abandon(draft)
            throw error
        }
        return draft
    }

    private func takeNumber(_ draft: inout Draft) throws(ProxyError) -> Int {
        guard let number = state.withLock({ $0.numbers.take() }) else {
            throw .tooManyPools(limit: SharedPoolState.capacity)
        }
        draft.takenNumbers.append(number)
        return number
    }

    /// Creates the server list of a pool. A server that stays keeps its index: it is matched by name and address, or by
    /// address alone if the name has changed.
    private func servers(
        _ servers: [ServerConfiguration],
        beside present: [Server],
        _ draft: inout Draft
    ) throws(ProxyError) -> [Server] {
        var left = present
        func takeLeft(_ isSame: (Server) -> Bool) -> Server? {
            left.firstIndex(where: isSame).map { left.remove(at: $0) }
        }
        var kept = servers.map { server in
            takeLeft { $0.configuration.name == server.name && $0.configuration.address == server.address }
        }
        for index in servers.indices where kept[index] == nil {
            kept[index] = takeLeft { $0.configuration.address == servers[index].address }
        }
        var after: [Server] = []
        for (configuration, kept) in zip(servers, kept) {
            if var server = kept {
                server.configuration = configuration
                after.append(server)
            } else {
                after.append(try newServer(configuration, &draft))
            }
        }
        return after
    }

    private func newServer(_ configuration: ServerConfiguration, _ draft: inout Draft) throws(ProxyError) -> Server {
        guard let share = memory.servers.take() else { throw .tooManyServers(limit: SharedServerTable.capacity) }
        draft.takenServers.append(share)
        share.set(isOpen: true)
        share.set(weight: EffectiveWeight.of(configuration.weight))
        return Server(
            configuration: configuration,
            share: share,
            origin: MetricRow(share.id, of: memory.serverMetrics)
        )
    }

    /// Releases the numbers and server indices reserved by a draft that is not committed.
    func abandon(_ draft: Draft) {
        for share in draft.takenServers { memory.servers.release(share) }
        state.withLock { $0.numbers.release(draft.takenNumbers) }
    }

    /// Commits a change. The caller must notify the workers; when all workers have processed the change, ``collect()``
    /// frees the removed servers.
    ///
    /// - Returns: the pools that are new or changed.
    @discardableResult
    func commit(_ draft: Draft) -> [Entry] {
        let changed = state.withLock { state in
            let before = state.entries
            // Health states and weight overrides set since the draft was made take precedence.
            let known = Dictionary(uniqueKeysWithValues: before.flatMap(\.servers).map { ($0.serial, $0) })
            var after = draft.entries
            for pool in after.indices {
                for server in after[pool].servers.indices {
                    guard let now = known[after[pool].servers[server].serial] else { continue }
                    after[pool].servers[server].state = now.state
                    after[pool].servers[server].cause = now.cause
                    after[pool].servers[server].weightOverride = now.weightOverride
                }
            }
            let keptPools = Set(after.map(\.number))
            let keptServers = Set(after.flatMap(\.servers).map(\.serial))
            state.entries = after
            for entry in after {
                state.names[entry.number] = entry.configuration.name
                for server in entry.servers { state.known[server.serial] = server.configuration }
            }
            state.retiredPools += before.filter { !keptPools.contains($0.number) }
            state.retired += before.filter { keptPools.contains($0.number) }.flatMap(\.servers)
                .filter { !keptServers.contains($0.serial) }.map(\.share)
            return after.filter { entry in
                guard let old = before.first(where: { $0.number == entry.number }) else { return true }
                return old.configuration != entry.configuration
                    || old.servers.map(\.serial) != entry.servers.map(\.serial)
            }.map { (now: $0, before: known) }
        }
        for (entry, before) in changed {
            for server in entry.servers { server.applyLimits(after: before[server.serial]?.configuration) }
        }
        return changed.map(\.now)
    }

    /// Replaces the servers of a pool.
    ///
    /// - Parameter number: the pool's number; if the pool has been removed, nothing happens.
    /// - Returns: the plan for the workers; when all of them have processed it, ``collect()`` frees the removed
    ///   servers.
    func change(_ number: Int, to servers: [ServerConfiguration]) throws(ProxyError) -> PoolPlan? {
        var pools = entries.map(\.configuration)
        guard let index = entries.firstIndex(where: { $0.number == number }) else { return nil }
        pools[index].servers = servers
        return commit(try draft(pools)).first?.plan
    }

    /// Frees the numbers of removed pools that no listener refers to any more.
    ///
    /// - Parameter used: the pools that listeners still refer to, including removed listeners that still have
    ///   connections.
    func freeNumbers(but used: Set<Int>) {
        state.withLock { state in
            for entry in state.retiredPools where !used.contains(entry.number) {
                state.numbers.release(entry.number)
                state.retired += entry.servers.map(\.share)
            }
            state.retiredPools.removeAll { !used.contains($0.number) }
        }
    }

    /// Frees the indices of removed servers whose last connection has ended. Call it only when all workers have
    /// processed the removal.
    func collect() {
        let idle = state.withLock { state -> [SharedServerState] in
            let idle = state.retired.filter { $0.connections == 0 }
            state.retired.removeAll { $0.connections == 0 }
            state.forgotten += idle.map(\.serial)
            for serial in state.forgotten.dropLast(Self.remembered) { state.known[serial] = nil }
            state.forgotten.removeFirst(max(0, state.forgotten.count - Self.remembered))
            return idle
        }
        for share in idle { memory.servers.release(share) }
    }

    // MARK: Health state

    /// Sets the health state and the weight of a server. If the server has been removed, nothing happens.
    ///
    /// - Parameters:
    ///   - weight: in the units of `EffectiveWeight`.
    ///   - ordered: the weight set by an administrator in place of the configured weight.
    /// - Returns: whether the pool's plan must be sent to the workers again.
    @discardableResult
    func set(_ key: ServerKey, _ state: ServerState, cause: String, weight: Int, ordered: Int? = nil) -> Bool {
        self.state.withLock { registry in
            guard let pool = registry.entries.firstIndex(where: { $0.number == key.pool }),
                let index = registry.entries[pool].servers.firstIndex(where: { $0.serial == key.serial })
            else { return false }
            let hasOverride = registry.entries[pool].servers[index].weightOverride != ordered
            registry.entries[pool].servers[index].state = state
            registry.entries[pool].servers[index].cause = cause
            registry.entries[pool].servers[index].weightOverride = ordered
            let share = registry.entries[pool].servers[index].share
            share.set(weight: weight)
            share.set(isOpen: state.takesConnections)
            return hasOverride && registry.entries[pool].configuration.policy == .maglev
        }
    }
}

extension PoolRegistry.Server {
    /// Applies the connection limit and, if changed, the weight of the configuration to the shared state.
    fileprivate func applyLimits(after before: ServerConfiguration?) {
        share.set(limit: configuration.maxConnections ?? .max)
        // If the server's health state (such as slow start) requires another weight, its monitor sets that afterwards.
        if before?.weight != configuration.weight, weightOverride == nil {
            share.set(weight: EffectiveWeight.of(configuration.weight))
        }
    }
}

extension MaglevTable {
    init(_ servers: [PoolRegistry.Server]) {
        // A backup server has no entries in the table; it is selected by source hash if no primary server is available.
        self.init(
            servers.map { server in
                let weight = server.weightOverride ?? server.configuration.weight
                return Server(name: server.configuration.name, weight: server.configuration.isBackup ? 0 : weight)
            }
        )
    }
}
