import Balancing
import Sockets
import Synchronization

/// What the control plane knows of the pools: which servers each has, under which names.
final class PoolRegistry: Sendable {
    struct Server: Sendable {
        var configuration: ServerConfiguration
        let share: ServerShare
        var state = ServerState.unchecked
        var cause = ""
    }

    struct Entry: Sendable {
        var configuration: PoolConfiguration
        let share: PoolShare
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
                table: configuration.policy == .maglev ? MaglevTable(configuration.servers) : nil,
                whenAllDown: configuration.whenAllDown,
                queueLimit: configuration.queueLimit,
                queueTimeout: configuration.queueTimeout,
                proxyProtocol: configuration.proxyProtocol
            )
        }
    }

    private struct State {
        var entries: [Entry] = []
        /// Servers that no pool has any more, and that may still have connections.
        var retired: [ServerShare] = []
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

    /// All pools, in the order of their numbers.
    var entries: [Entry] { state.withLock(\.entries) }

    /// - Returns: what workers have to know, in the order of the pools' numbers.
    /// - Throws: ``ProxyError/tooManyServers(limit:)``.
    func add(_ pools: [PoolConfiguration]) throws(ProxyError) -> [PoolPlan] {
        var plans: [PoolPlan] = []
        for pool in pools {
            let servers = try takePlaces(for: pool.servers, beside: [])
            let plan = state.withLock { state in
                let entry = Entry(configuration: pool, share: memory.pools[state.entries.count], servers: servers)
                state.entries.append(entry)
                return entry.plan
            }
            plans.append(plan)
        }
        return plans
    }

    /// Gives a pool other servers. Those that stay, by name and address, keep their connections and what is known of them.
    ///
    /// - Returns: what workers have to know; when they do, ``collect()`` frees what is left behind.
    func change(_ number: Int, to servers: [ServerConfiguration]) throws(ProxyError) -> PoolPlan {
        let before = entries[number]
        let after = try takePlaces(for: servers, beside: before.servers)
        let kept = Set(after.map(\.share.id))
        return state.withLock { state in
            state.entries[number].configuration.servers = servers
            state.entries[number].servers = after
            state.retired += before.servers.map(\.share).filter { !kept.contains($0.id) }
            return state.entries[number].plan
        }
    }

    private func takePlaces(
        for servers: [ServerConfiguration],
        beside present: [Server]
    ) throws(ProxyError) -> [Server] {
        var taken: [Server] = []
        for server in servers {
            let same = present.first { present in
                present.configuration.name == server.name && present.configuration.address == server.address
            }
            guard let share = same?.share ?? memory.servers.take() else {
                throw .tooManyServers(limit: ServerTable.capacity)
            }
            if same == nil {
                share.set(isOpen: true)
                state.withLock { $0.known[share.serial] = server }
            }
            if same?.configuration.weight != server.weight { share.set(weight: EffectiveWeight.of(server.weight)) }
            share.set(limit: server.maxConnections ?? .max)
            taken.append(
                Server(
                    configuration: server,
                    share: share,
                    state: same?.state ?? .unchecked,
                    cause: same?.cause ?? ""
                )
            )
        }
        return taken
    }

    /// Sets whether new connections go to a server, and how many beside the others; a server that has gone is left alone.
    func set(_ server: ServerKey, _ state: ServerState, cause: String, weight: Int) {
        self.state.withLock { registry in
            guard let index = registry.entries[server.pool].servers.firstIndex(where: { $0.share.id == server.id })
            else {
                return
            }
            registry.entries[server.pool].servers[index].state = state
            registry.entries[server.pool].servers[index].cause = cause
            let share = registry.entries[server.pool].servers[index].share
            share.set(weight: weight)
            share.set(isOpen: state.takesConnections)
        }
    }

    /// Who a server is, or was, by its share's serial; nil if it went long ago.
    func server(_ serial: Int) -> ServerConfiguration? { state.withLock { $0.known[serial] } }

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
}

extension MaglevTable {
    init(_ servers: [ServerConfiguration]) {
        // A backup has no share while others serve, and then gets what the table's tries leave.
        self.init(servers.map { Server(name: $0.name, weight: $0.isBackup ? 0 : $0.weight) })
    }
}

/// Names a server of a pool, for as long as the pool has it.
package struct ServerKey: Hashable, Sendable {
    package let pool: Int
    package let id: Int
}
