import Balancing
import Sockets
import Workers

/// What a worker is told of a pool.
struct PoolPlan: Sendable {
    struct Server: Sendable {
        var share: ServerShare
        var address: RawAddress
        var isBackup = false
    }

    var share: PoolShare
    /// nil takes the server that answered last: they are one upstream's addresses.
    var policy: Policy?
    var servers: [Server]
    var table: MaglevTable?
    var whenAllDown = PoolConfiguration.WhenAllDown.refuse
    /// How many clients may wait for a place at a server; 0 refuses them.
    var queueLimit = 0
    var queueTimeout: Duration?
    /// Of the header that each connection to a server begins with; nil is none.
    var proxyProtocol: ProxyProtocolVersion?
}

/// A worker's view of a pool: who its servers are, and who is next.
struct Pool: ~Copyable {
    enum Choice: Equatable {
        /// A server by its position, with a place reserved.
        case server(Int)
        /// Those that could be tried have no place left.
        case full
        /// There is none to try, or none left.
        case none
    }

    private(set) var share: PoolShare
    private(set) var queueLimit: Int
    private(set) var queueTimeout: Duration?
    private(set) var proxyProtocol: ProxyProtocolVersion?
    /// This worker's clients who wait for a place.
    var waiting: SlotQueue
    private var whenAllDown: PoolConfiguration.WhenAllDown
    private var servers: UnsafeMutableBufferPointer<PoolPlan.Server>
    private var picker: Picker?
    /// The address of an upstream that answered last, where its next connection begins.
    private var preferred = 0

    /// Between reading that a server has a place and taking it others may take it, so often at most.
    private static var mostRaces: Int { 8 }

    /// - Parameters:
    ///   - seed: another one for each worker, so that not all begin with the same server.
    ///   - sessions: the most connections that may wait.
    init(_ plan: PoolPlan, seed: UInt64, sessions: Int) {
        share = plan.share
        queueLimit = plan.queueLimit
        queueTimeout = plan.queueTimeout
        proxyProtocol = plan.proxyProtocol
        whenAllDown = plan.whenAllDown
        servers = Self.copy(plan.servers)
        picker = Self.picker(plan, seed)
        waiting = SlotQueue(capacity: sessions)
    }

    /// Has other servers from now on, or another policy. Who waits goes on waiting.
    mutating func change(to plan: PoolPlan, seed: UInt64) {
        share = plan.share
        queueLimit = plan.queueLimit
        queueTimeout = plan.queueTimeout
        proxyProtocol = plan.proxyProtocol
        whenAllDown = plan.whenAllDown
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

    /// Chooses a server for a client and reserves a place there.
    ///
    /// - Parameters:
    ///   - key: the same for all connections of one client.
    ///   - tried: servers that have failed for this connection.
    mutating func choose(key: UInt64, tried: TriedServers) -> Choice {
        guard picker != nil else { return choosePreferred(tried) }
        var view = PoolView(servers: UnsafeBufferPointer(servers), tried: tried, mustBeOpen: true)
        if let position = pick(from: view, key: key) { return .server(position) }
        var standing = view.standing
        if !standing.isAnyOpen, whenAllDown == .tryAnyway {
            view.mustBeOpen = false
            if let position = pick(from: view, key: key) { return .server(position) }
            standing = view.standing
        }
        return standing.isAnyLeft ? .full : .none
    }

    private mutating func pick(from view: PoolView, key: UInt64) -> Int? {
        for _ in 0..<Self.mostRaces {
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

    /// A server has answered.
    mutating func prefer(_ position: Int) {
        preferred = position % servers.count
    }
}

/// Which servers of a pool have failed for a connection, by their positions.
///
/// Servers that are 64 apart share a bit, so a connection tries 64 at most.
struct TriedServers: Equatable {
    private var bits: UInt64 = 0

    var isEmpty: Bool { bits == 0 }
    func contains(_ position: Int) -> Bool { bits & bit(position) != 0 }
    mutating func insert(_ position: Int) { bits |= bit(position) }

    private func bit(_ position: Int) -> UInt64 { 1 << UInt64(position & 63) }
}

/// The servers of a pool as a policy sees them for one connection.
struct PoolView: ServerView {
    let servers: UnsafeBufferPointer<PoolPlan.Server>
    let tried: TriedServers
    /// False where all are closed, and one is to be tried anyway.
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

    /// Why there is nobody to pick: whether a server is open at all, and whether one that this connection has not tried is.
    var standing: (isAnyOpen: Bool, isAnyLeft: Bool) {
        var standing = (isAnyOpen: false, isAnyLeft: false)
        for server in 0..<count {
            if servers[server].share.isOpen { standing.isAnyOpen = true }
            if canBeTried(server) { standing.isAnyLeft = true }
        }
        return standing
    }
}
