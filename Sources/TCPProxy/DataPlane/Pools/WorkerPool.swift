import Balancing
import EventLoop
import Sockets

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
