import Balancing
import Sockets
import Synchronization

/// What the control plane knows of the pools: which servers each has, under which names and numbers.
///
/// A pool's number, and a server's place, are given to others only when nobody speaks of them any more: no worker that has
/// not heard of the change, and no connection.
final class PoolRegistry: Sendable {
    struct Server: Sendable {
        var configuration: ServerConfiguration
        let share: ServerShare
        /// What had been counted at its place when it came.
        let origin: FigureRow<ServerFigure>
        var state = ServerState.unchecked
        var cause = ""
        /// In place of the configured weight, if somebody has said so.
        var orderedWeight: Int?

        var serial: Int { share.serial }
    }

    struct Entry: Sendable {
        let number: Int
        var configuration: PoolConfiguration
        let share: PoolShare
        /// What had been counted under its number when it came.
        let origin: FigureRow<PoolFigure>
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
                whenAllDown: configuration.whenAllDown,
                queueLimit: configuration.queueLimit,
                queueTimeout: configuration.queueTimeout,
                proxyProtocol: configuration.proxyProtocol
            )
        }

        func key(of server: Server) -> ServerKey {
            ServerKey(pool: number, id: server.share.id, serial: server.serial)
        }
    }

    /// Pools as they would be after a change. Nobody sees them before it is made.
    struct Draft: Sendable {
        fileprivate(set) var entries: [Entry] = []
        fileprivate var takenServers: [ServerShare] = []
        fileprivate var takenNumbers: [Int] = []

        /// The number of a pool, by its name.
        func number(of pool: String) -> Int? { entries.first { $0.configuration.name == pool }?.number }
    }

    private struct State {
        var entries: [Entry] = []
        /// Pools that there are no more, and whose listeners may still have connections.
        var retiredPools: [Entry] = []
        /// Servers that no pool has any more, and that may still have connections.
        var retired: [ServerShare] = []
        var numbers = NumberPool(capacity: PoolShare.capacity)
        /// The names of pools by their numbers; where there is none any more, of the one that had it last.
        var names: [Int: String] = [:]
        /// Who servers are, or were, by the serials of their shares.
        var known: [Int: ServerConfiguration] = [:]
        /// Serials of servers that nobody has any more, the longest gone first.
        var forgotten: [Int] = []
    }

    /// Of so many servers that nobody has any more it is still known who they were: what workers said of them may be unread.
    private static let remembered = 1024

    private let memory: SharedMemory
    private let state = Mutex(State())

    init(_ memory: SharedMemory) {
        self.memory = memory
    }

    /// All pools, in the order of the configuration.
    var entries: [Entry] { state.withLock(\.entries) }

    /// Who a server is, or was, by its share's serial; nil if it went long ago.
    func server(_ serial: Int) -> ServerConfiguration? { state.withLock { $0.known[serial] } }

    /// The name of the pool that has a number, or had it last.
    func name(ofPool number: Int) -> String { state.withLock { $0.names[number] ?? "" } }

    /// The numbers that pools of a name have, and those that had it last.
    func numbers(named name: String) -> Set<Int16> {
        state.withLock { state in Set(state.names.filter { $0.value == name }.keys.map { Int16($0) }) }
    }

    /// The serials of servers of a name, those that have gone among them.
    func serials(ofServersNamed name: String) -> Set<Int> {
        state.withLock { state in Set(state.known.filter { $0.value.name == name }.keys) }
    }

    /// The first pools of a proxy.
    ///
    /// - Returns: what workers have to know, in the order of the pools' numbers.
    /// - Throws: ``ProxyError/tooManyServers(limit:)``.
    func add(_ pools: [PoolConfiguration]) throws(ProxyError) -> [PoolPlan] {
        commit(try draft(pools)).map(\.plan)
    }

    // MARK: Changes

    /// What a change to these pools would bring. To be followed by ``commit(_:)`` or ``abandon(_:)`` before another one.
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
                        origin: before?.origin ?? FigureRow(number, of: memory.poolFigures),
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
        guard let number = state.withLock({ $0.numbers.take() }) else { throw .tooManyPools(limit: PoolShare.capacity) }
        draft.takenNumbers.append(number)
        return number
    }

    /// Servers that stay keep their places: by name and address, or by address alone where the name is another.
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
        guard let share = memory.servers.take() else { throw .tooManyServers(limit: ServerTable.capacity) }
        draft.takenServers.append(share)
        share.set(isOpen: true)
        share.set(weight: EffectiveWeight.of(configuration.weight))
        return Server(
            configuration: configuration,
            share: share,
            origin: FigureRow(share.id, of: memory.serverFigures)
        )
    }

    /// Gives back what was taken for a change that is not made.
    func abandon(_ draft: Draft) {
        for share in draft.takenServers { memory.servers.giveBack(share) }
        state.withLock { $0.numbers.giveBack(draft.takenNumbers) }
    }

    /// Makes a change. Workers have to be told; when all know, ``collect()`` frees what is left behind.
    ///
    /// - Returns: the pools that are new or other than before.
    @discardableResult
    func commit(_ draft: Draft) -> [Entry] {
        let changed = state.withLock { state in
            let before = state.entries
            // What was found and ordered meanwhile counts.
            let known = Dictionary(uniqueKeysWithValues: before.flatMap(\.servers).map { ($0.serial, $0) })
            var after = draft.entries
            for pool in after.indices {
                for server in after[pool].servers.indices {
                    guard let now = known[after[pool].servers[server].serial] else { continue }
                    after[pool].servers[server].state = now.state
                    after[pool].servers[server].cause = now.cause
                    after[pool].servers[server].orderedWeight = now.orderedWeight
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

    /// Gives a pool other servers.
    ///
    /// - Parameter number: the pool's; nothing happens where it is gone.
    /// - Returns: what workers have to know; when they do, ``collect()`` frees what is left behind.
    func change(_ number: Int, to servers: [ServerConfiguration]) throws(ProxyError) -> PoolPlan? {
        var pools = entries.map(\.configuration)
        guard let index = entries.firstIndex(where: { $0.number == number }) else { return nil }
        pools[index].servers = servers
        return commit(try draft(pools)).first?.plan
    }

    /// Frees the numbers of pools that have gone, when no listener speaks of them any more.
    ///
    /// - Parameter used: the pools that listeners still speak of, those that have gone and still have connections included.
    func freeNumbers(but used: Set<Int>) {
        state.withLock { state in
            for entry in state.retiredPools where !used.contains(entry.number) {
                state.numbers.giveBack(entry.number)
                state.retired += entry.servers.map(\.share)
            }
            state.retiredPools.removeAll { !used.contains($0.number) }
        }
    }

    /// Frees the places of servers that have gone, once the last connection has. To be called when all workers know that
    /// they are gone.
    func collect() {
        let idle = state.withLock { state -> [ServerShare] in
            let idle = state.retired.filter { $0.connections == 0 }
            state.retired.removeAll { $0.connections == 0 }
            state.forgotten += idle.map(\.serial)
            for serial in state.forgotten.dropLast(Self.remembered) { state.known[serial] = nil }
            state.forgotten.removeFirst(max(0, state.forgotten.count - Self.remembered))
            return idle
        }
        for share in idle { memory.servers.giveBack(share) }
    }

    // MARK: Standing

    /// Sets whether new connections go to a server, and how many beside the others; a server that has gone is left alone.
    ///
    /// - Parameters:
    ///   - weight: in the parts of `EffectiveWeight`.
    ///   - ordered: what somebody has ordered in place of the configured weight.
    /// - Returns: whether workers need its pool's plan anew.
    @discardableResult
    func set(_ key: ServerKey, _ state: ServerState, cause: String, weight: Int, ordered: Int? = nil) -> Bool {
        self.state.withLock { registry in
            guard let pool = registry.entries.firstIndex(where: { $0.number == key.pool }),
                let index = registry.entries[pool].servers.firstIndex(where: { $0.serial == key.serial })
            else { return false }
            let hasOrder = registry.entries[pool].servers[index].orderedWeight != ordered
            registry.entries[pool].servers[index].state = state
            registry.entries[pool].servers[index].cause = cause
            registry.entries[pool].servers[index].orderedWeight = ordered
            let share = registry.entries[pool].servers[index].share
            share.set(weight: weight)
            share.set(isOpen: state.takesConnections)
            return hasOrder && registry.entries[pool].configuration.policy == .maglev
        }
    }
}

extension PoolRegistry.Server {
    /// Has workers see what the configuration says of it.
    fileprivate func applyLimits(after before: ServerConfiguration?) {
        share.set(limit: configuration.maxConnections ?? .max)
        // Whoever watches the server sets the weight that it has beside its health, if another is due.
        if before?.weight != configuration.weight, orderedWeight == nil {
            share.set(weight: EffectiveWeight.of(configuration.weight))
        }
    }
}

extension MaglevTable {
    init(_ servers: [PoolRegistry.Server]) {
        // A backup has no share while others serve, and then gets what the table's tries leave.
        self.init(
            servers.map { server in
                let weight = server.orderedWeight ?? server.configuration.weight
                return Server(name: server.configuration.name, weight: server.configuration.isBackup ? 0 : weight)
            }
        )
    }
}

/// Names a server of a pool, for as long as the pool has it.
package struct ServerKey: Hashable, Sendable {
    package let pool: Int
    package let id: Int
    let serial: Int
}
