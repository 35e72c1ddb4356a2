import Balancing
import Sockets
import EventLoop

/// The resolved, immutable description of a pool that is sent to a worker.
struct PoolPlan: Sendable {
    struct Server: Sendable {
        var share: SharedServerState
        var address: RawAddress
        var isBackup = false
    }

    var share: SharedPoolState
    /// Load-balancing policy. nil prefers the server whose last connection attempt succeeded: the servers are the
    /// addresses of one upstream.
    var policy: Policy?
    var servers: [Server]
    var table: MaglevTable?
    var onAllDown = PoolConfiguration.OnAllDown.refuse
    /// Maximum number of clients waiting for a connection slot at a server; 0 disables the queue.
    var queueLimit = 0
    var queueTimeout: Duration?
    /// PROXY protocol version of the header that begins each connection to a server; nil sends no header.
    var proxyProtocol: ProxyProtocolVersion?
}

/// A worker's view of a pool: its servers and the state of server selection.
struct WorkerPool: ~Copyable {
    enum Choice: Equatable {
        /// The position of a server at which a connection slot has been reserved.
        case server(Int)
        /// All eligible servers have reached their connection limit.
        case full
        /// No server is eligible, or this connection has tried all of them.
        case none
    }

    private(set) var share: SharedPoolState
    private(set) var queueLimit: Int
    private(set) var queueTimeout: Duration?
    private(set) var proxyProtocol: ProxyProtocolVersion?
    /// This worker's clients that wait for a connection slot.
    var waiting: IndexedFIFO
    private var onAllDown: PoolConfiguration.OnAllDown
    private var servers: UnsafeMutableBufferPointer<PoolPlan.Server>
    private var picker: Picker?
    /// The position of the upstream address that connected last; the next connection tries it first.
    private var preferred = 0

    /// Maximum number of attempts to reserve a slot: another worker may take it between the check and the reservation.
    private static var maxRaces: Int { 8 }

    /// - Parameters:
    ///   - seed: differs between workers, so that they do not all start with the same server.
    ///   - sessions: the maximum number of connections that may wait.
    init(_ plan: PoolPlan, seed: UInt64, sessions: Int) {
        share = plan.share
        queueLimit = plan.queueLimit
        queueTimeout = plan.queueTimeout
        proxyProtocol = plan.proxyProtocol
        onAllDown = plan.onAllDown
        servers = Self.copy(plan.servers)
        picker = Self.picker(plan, seed)
        waiting = IndexedFIFO(capacity: sessions)
    }

    /// Replaces the servers and the policy. Queued clients stay in the queue.
    mutating func change(to plan: PoolPlan, seed: UInt64) {
        share = plan.share
        queueLimit = plan.queueLimit
        queueTimeout = plan.queueTimeout
        proxyProtocol = plan.proxyProtocol
        onAllDown = plan.onAllDown
        servers.deinitialize()
        servers.deallocate()
        servers = Self.copy(plan.servers)
        picker = Self.picker(plan, seed)
        preferred = 0
    }

    private static func copy(_ servers: [PoolPlan.Server]) -> UnsafeMutableBufferPointer<PoolPlan.Server> {
        let copy = UnsafeMutableBufferPointer<PoolPlan.Server>.allocate(capacity: servers.count)
        _ = copy.initialize(from: servers)
        return copy
    }

    private static func picker(_ plan: PoolPlan, _ seed: UInt64) -> Picker? {
        guard let policy = plan.policy else { return nil }
        return Picker(policy, servers: plan.servers.count, seed: seed, table: plan.table)
    }

    deinit {
        servers.deinitialize()
        servers.deallocate()
    }

    var count: Int { servers.count }

    subscript(position: Int) -> PoolPlan.Server { servers[position] }

    /// Selects a server for a client and reserves a connection slot there.
    ///
    /// - Parameters:
    ///   - key: the same for all connections of one client.
    ///   - tried: servers that have failed for this connection.
    mutating func choose(key: UInt64, tried: TriedServers) -> Choice {
        guard picker != nil else { return choosePreferred(tried) }
        var view = PoolView(servers: UnsafeBufferPointer(servers), tried: tried, mustBeOpen: true)
        if let position = pick(from: view, key: key) { return .server(position) }
        var standing = view.standing
        if !standing.isAnyOpen, onAllDown == .tryAnyway {
            view.mustBeOpen = false
            if let position = pick(from: view, key: key) { return .server(position) }
            standing = view.standing
        }
        return standing.isAnyLeft ? .full : .none
    }

    private mutating func pick(from view: PoolView, key: UInt64) -> Int? {
        for _ in 0..<Self.maxRaces {
            guard let position = picker!.pick(from: view, key: key) else { return nil }
            if servers[position].share.reserve() { return position }
        }
        return nil
    }

    private func choosePreferred(_ tried: TriedServers) -> Choice {
        for offset in 0..<servers.count {
            let position = (preferred + offset) % servers.count
            if !tried.contains(position), servers[position].share.reserve() { return .server(position) }
        }
        return .none
    }

    /// Records that a connection attempt to this server succeeded.
    mutating func prefer(_ position: Int) {
        preferred = position % servers.count
    }
}

/// The servers of a pool that have failed for a connection, by position.
///
/// Positions that are equal modulo 64 share a bit, so a connection tries at most 64 servers.
struct TriedServers: Equatable {
    private var bits: UInt64 = 0

    var isEmpty: Bool { bits == 0 }
    func contains(_ position: Int) -> Bool { bits & bit(position) != 0 }
    mutating func insert(_ position: Int) { bits |= bit(position) }

    private func bit(_ position: Int) -> UInt64 { 1 << UInt64(position & 63) }
}

/// The servers of a pool as seen by a policy for one connection.
struct PoolView: ServerView {
    let servers: UnsafeBufferPointer<PoolPlan.Server>
    let tried: TriedServers
    /// False if all servers are closed and one is tried nevertheless.
    var mustBeOpen: Bool

    var count: Int { servers.count }
    func weight(of server: Int) -> Int { servers[server].share.weight }
    func isBackup(_ server: Int) -> Bool { servers[server].isBackup }
    func connections(of server: Int) -> Int { servers[server].share.connections }
    func connectTime(of server: Int) -> Int { servers[server].share.connectTime }

    func isAvailable(_ server: Int) -> Bool {
        canBeTried(server) && servers[server].share.connections < servers[server].share.limit
    }

    private func canBeTried(_ server: Int) -> Bool {
        let share = servers[server].share
        return (share.isOpen || !mustBeOpen) && share.weight > 0 && !tried.contains(server)
    }

    /// The reason why no server can be picked: whether any server is open, and whether any eligible server is untried
    /// by this connection.
    var standing: (isAnyOpen: Bool, isAnyLeft: Bool) {
        var standing = (isAnyOpen: false, isAnyLeft: false)
        for server in 0..<count {
            if servers[server].share.isOpen { standing.isAnyOpen = true }
            if canBeTried(server) { standing.isAnyLeft = true }
        }
        return standing
    }
}
