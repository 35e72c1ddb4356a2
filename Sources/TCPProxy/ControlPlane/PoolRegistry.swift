import Balancing
import Dispatch
import Sockets
import Synchronization
import TLS

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
        /// The name for TLS, with the session for resumption; nil without TLS.
        var tls: TLSServer?

        var serial: Int { share.serial }
    }

    struct Entry: Sendable {
        let number: Int
        var configuration: PoolConfiguration
        let share: SharedPoolState
        /// Counters under this pool's number at the time when the pool was added.
        let origin: MetricRow<PoolMetric>
        var servers: [Server]
        var tls: PoolTLSPlan?

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
                latency: configuration.fastestBy,
                latencyTolerance: Int(clamping: configuration.fastestTolerance.wholeNanoseconds),
                onAllDown: configuration.onAllDown,
                queueLimit: configuration.queueLimit,
                queueTimeout: configuration.queueTimeout,
                maxAttempts: 1 + (configuration.retry ?? 0),
                proxyProtocol: configuration.proxyProtocol,
                isPostgres: configuration.connectionProtocol == .postgres,
                tls: tls.map { plan in
                    var plan = plan
                    plan.servers = servers.compactMap(\.tls)
                    return plan
                }
            )
        }

        func key(of server: Server) -> ServerKey {
            ServerKey(pool: number, id: server.share.id, serial: server.serial)
        }
    }

    /// The pools as they will be after a change; not visible to readers before ``commit(_:)``.
    struct Draft: Sendable {
        fileprivate(set) var entries: [Entry] = []
        fileprivate var initial: InitialServerStates
        fileprivate var takenServers: [SharedServerState] = []
        fileprivate var takenNumbers: [Int] = []
        /// Numbers by name.
        fileprivate var numbers: [String: Int] = [:]

        /// Returns the number of the pool with this name.
        func number(of pool: String) -> Int? { numbers[pool] }
    }

    private struct State {
        var entries: [Entry] = []
        /// Number of changes so far.
        var version = 0
        /// Indices in `entries` by pool number.
        var indices: [Int: Int] = [:]
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

    /// Returns the pool with this number; nil if it has been removed.
    func entry(_ number: Int) -> Entry? {
        state.withLock { state in state.indices[number].map { state.entries[$0] } }
    }

    /// Number of changes of pools and servers so far.
    var version: Int { state.withLock(\.version) }

    /// Returns the number of connection attempts to the servers of a pool, without those that are not evidence for or
    /// against a server; 0 if the pool has been removed.
    func attempts(ofPool number: Int) -> Int {
        state.withLock { state in
            guard let index = state.indices[number] else { return 0 }
            // By index, because an iteration would copy each server.
            var sum = 0
            for server in state.entries[index].servers.indices {
                let share = state.entries[index].servers[server].share
                sum &+= share.connected &+ share.failed
            }
            return sum
        }
    }

    /// Whether clients of a pool wait for a connection slot at a server.
    func hasWaiting(_ number: Int) -> Bool { memory.pools[number].hasWaiting }

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
        Self.plans(of: commit(try draft(pools)))
    }

    /// Returns the plans of pools. Builds them on all processors if there are Maglev tables: each takes more than a
    /// millisecond.
    static func plans(of entries: [Entry]) -> [PoolPlan] {
        guard entries.count > 1, entries.contains(where: { $0.configuration.policy == .maglev }) else {
            return entries.map(\.plan)
        }
        return [PoolPlan](unsafeUninitializedCapacity: entries.count) { plans, count in
            // Each iteration initializes another element.
            nonisolated(unsafe) let plans = plans
            DispatchQueue.concurrentPerform(iterations: entries.count) { index in
                plans.initializeElement(at: index, to: entries[index].plan)
            }
            count = entries.count
        }
    }

    // MARK: Changes

    /// Prepares a change to these pools. ``commit(_:)`` or ``abandon(_:)`` must follow before the next draft.
    ///
    /// - Throws: ``ProxyError/tooManyServers(limit:)``, ``ProxyError/tooManyPools(limit:)``.
    func draft(
        _ pools: [PoolConfiguration],
        initial: @escaping InitialServerStates = { server, _ in InitialServerState(server) }
    ) throws(ProxyError) -> Draft {
        var draft = Draft(initial: initial)
        let present = Dictionary(entries.map { ($0.configuration.name, $0) }) { first, _ in first }
        do throws(ProxyError) {
            for pool in pools {
                let before = present[pool.name]
                let number = if let before { before.number } else { try takeNumber(&draft) }
                if draft.numbers[pool.name] == nil { draft.numbers[pool.name] = number }
                draft.entries.append(
                    Entry(
                        number: number,
                        configuration: pool,
                        share: memory.pools[number],
                        origin: before?.origin ?? MetricRow(number, of: memory.poolMetrics),
                        servers: try servers(of: pool, before: before, &draft),
                        tls: try Self.tls(of: pool, before: before?.tls)
                    )
                )
            }
        } catch {
            abandon(draft)
            throw error
        }
        return draft
    }

    /// Returns the TLS context of a pool; the present one if its configuration has not changed.
    private static func tls(of pool: PoolConfiguration, before: PoolTLSPlan?) throws(ProxyError) -> PoolTLSPlan? {
        guard let tls = pool.tls else { return nil }
        if let before, before.configuration == tls { return before }
        do throws(TLSError) {
            return try tls.plan()
        } catch {
            throw .tls(error, of: "pool \(pool.name)")
        }
    }

    private func takeNumber(_ draft: inout Draft) throws(ProxyError) -> Int {
        guard let number = state.withLock({ $0.numbers.take(into: &draft.takenNumbers) }) else {
            throw .tooManyPools(limit: SharedPoolState.capacity)
        }
        return number
    }

    /// Creates the server list of a pool. A server that stays keeps its index: it is matched by name and address, by
    /// address alone if the name has changed, or by name alone if its name had no address before.
    private func servers(
        of pool: PoolConfiguration,
        before: Entry?,
        _ draft: inout Draft
    ) throws(ProxyError) -> [Server] {
        let servers = pool.servers
        var left: [Server?] = before?.servers ?? []
        // Entries before this index have been taken: in most changes, the servers keep their order.
        var firstLeft = 0
        func takeLeft(_ isSame: (Server) -> Bool) -> Server? {
            let index = left[firstLeft...].firstIndex { $0.map(isSame) ?? false }
            guard let index else { return nil }
            defer {
                left[index] = nil
                while firstLeft < left.count, left[firstLeft] == nil { firstLeft += 1 }
            }
            return left[index]
        }
        var kept = servers.map { server in
            takeLeft { $0.configuration.name == server.name && $0.configuration.address == server.address }
        }
        for index in servers.indices where kept[index] == nil && servers[index].resolutionFailure == nil {
            kept[index] = takeLeft { $0.configuration.address == servers[index].address }
        }
        for index in servers.indices where kept[index] == nil {
            kept[index] = takeLeft {
                $0.configuration.resolutionFailure != nil && $0.configuration.name == servers[index].name
            }
        }
        // A session with a server was verified by the settings of that time: it must not be resumed with others.
        let keepsSessions = before?.configuration.tls == pool.tls
        var after: [Server] = []
        for (configuration, kept) in zip(servers, kept) {
            var server = if let kept { kept } else { try newServer(configuration, of: pool, &draft) }
            server.configuration = configuration
            server.tls = pool.tls.map { tls in
                let name = tls.serverName ?? configuration.hostName
                if keepsSessions, let present = server.tls, present.name == name { return present }
                return TLSServer(name)
            }
            after.append(server)
        }
        return after
    }

    private func newServer(
        _ configuration: ServerConfiguration,
        of pool: PoolConfiguration,
        _ draft: inout Draft
    ) throws(ProxyError) -> Server {
        let initial = draft.initial(configuration, pool)
        guard let share = memory.servers.take() else { throw .tooManyServers(limit: SharedServerTable.capacity) }
        draft.takenServers.append(share)
        share.set(isOpen: initial.state.takesConnections)
        share.set(weight: initial.weight)
        return Server(
            configuration: configuration,
            share: share,
            origin: MetricRow(share.id, of: memory.serverMetrics),
            state: initial.state,
            cause: initial.cause
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
    /// - Parameter number: the pool that the draft consists of; nil if it consists of all pools.
    /// - Returns: the pools that are new or changed.
    @discardableResult
    func commit(_ draft: Draft, ofPool number: Int? = nil) -> [Entry] {
        let changed = state.withLock { state in
            let replaced = number.flatMap { state.indices[$0] }
            let before = replaced.map { [state.entries[$0]] } ?? state.entries
            let indices = Dictionary(before.enumerated().map { ($1.number, $0) }) { first, _ in first }
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
            state.version += 1
            if let replaced {
                state.entries[replaced] = after[0]
            } else {
                state.entries = after
                state.indices = Dictionary(after.enumerated().map { ($1.number, $0) }) { first, _ in first }
            }
            for entry in after {
                state.names[entry.number] = entry.configuration.name
                for server in entry.servers { state.known[server.serial] = server.configuration }
            }
            state.retiredPools += before.filter { !keptPools.contains($0.number) }
            state.retired += before.filter { keptPools.contains($0.number) }.flatMap(\.servers)
                .filter { !keptServers.contains($0.serial) }.map(\.share)
            return after.filter { entry in
                guard let old = indices[entry.number].map({ before[$0] }) else { return true }
                return old.configuration != entry.configuration
                    || old.servers.map(\.serial) != entry.servers.map(\.serial)
            }.map { (now: $0, before: known) }
        }
        for (entry, before) in changed {
            for server in entry.servers {
                server.applyLimits(after: before[server.serial]?.configuration) {
                    draft.initial($0, entry.configuration)
                }
            }
        }
        return changed.map(\.now)
    }

    /// Replaces the servers of a pool.
    ///
    /// - Parameter number: the pool's number; if the pool has been removed, nothing happens.
    /// - Returns: the plan for the workers; when all of them have processed it, ``collect()`` frees the removed
    ///   servers.
    func change(
        _ number: Int,
        to servers: [ServerConfiguration],
        initial: @escaping InitialServerStates = { server, _ in InitialServerState(server) }
    ) throws(ProxyError) -> PoolPlan? {
        // A draft of this pool only, because the names of many pools may change at the same time.
        guard var pool = entry(number)?.configuration else { return nil }
        pool.servers = servers
        return commit(try draft([pool], initial: initial), ofPool: number).first?.plan
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
            // Each one is read once: a connection may end in between.
            let referenced = state.retired.map(\.isReferenced)
            let idle = zip(state.retired, referenced).filter { !$0.1 }.map(\.0)
            state.retired = zip(state.retired, referenced).filter(\.1).map(\.0)
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
            guard let pool = registry.indices[key.pool],
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
    ///
    /// - Parameter initial: determines the state of a server that becomes available.
    fileprivate func applyLimits(
        after before: ServerConfiguration?,
        initial: (ServerConfiguration) -> InitialServerState
    ) {
        share.set(limit: configuration.resolutionFailure == nil ? configuration.maxConnections ?? .max : 0)
        // A new server already has its weight. If the server's health state (such as slow start) requires another
        // weight, its monitor sets that afterwards.
        guard let before, before.weight != configuration.weight, weightOverride == nil else { return }
        let isReturn = before.weight == 0
        share.set(weight: isReturn ? initial(configuration).weight : EffectiveWeight.of(configuration.weight))
    }
}

extension MaglevTable {
    init(_ servers: [PoolRegistry.Server]) {
        // A backup server has no entries in the table; it is selected by source hash if no primary server is available.
        self.init(
            servers.map { server in
                let weight = server.weightOverride ?? server.configuration.weight
                let hasNone = server.configuration.isBackup || server.configuration.resolutionFailure != nil
                return Server(name: server.configuration.name, weight: hasNone ? 0 : weight)
            }
        )
    }
}
