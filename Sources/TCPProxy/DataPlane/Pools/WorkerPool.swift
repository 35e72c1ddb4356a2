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
        /// All servers are down, and the pool queues clients until one is up.
        case allDown
        /// No server is eligible, or this connection has tried all of them.
        case none
    }

    private(set) var share: SharedPoolState
    /// What the latency of a server is.
    private(set) var latency: PoolConfiguration.Latency
    private(set) var queueLimit: Int
    private(set) var queueTimeout: Duration?
    private(set) var maxAttempts: Int
    private(set) var proxyProtocol: ProxyProtocolVersion?
    private(set) var isPostgres: Bool
    private(set) var tls: PoolTLSPlan?
    /// Whether ``tls`` is set. Stored, because reading that would count references for each connection.
    private(set) var hasTLS: Bool
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
    ///   - links: the table of the worker's queues: a connection waits in one queue at most.
    init(_ plan: PoolPlan, seed: UInt64, links: borrowing IndexedFIFO.Links) {
        self.init(plan, seed: seed, waiting: IndexedFIFO(sharing: links))
    }

    private init(_ plan: PoolPlan, seed: UInt64, waiting: consuming IndexedFIFO) {
        share = plan.share
        latency = plan.latency
        queueLimit = plan.queueLimit
        queueTimeout = plan.queueTimeout
        maxAttempts = plan.maxAttempts
        proxyProtocol = plan.proxyProtocol
        isPostgres = plan.isPostgres
        tls = plan.tls
        hasTLS = plan.tls != nil
        onAllDown = plan.onAllDown
        servers = Self.copy(plan.servers)
        picker = Self.picker(plan, seed)
        self.waiting = waiting
    }

    /// Replaces the servers and the policy. Queued clients stay in the queue.
    mutating func change(to plan: PoolPlan, seed: UInt64, links: borrowing IndexedFIFO.Links) {
        var queue = IndexedFIFO(sharing: links)
        swap(&queue, &waiting)
        self = WorkerPool(plan, seed: seed, waiting: queue)
    }

    private static func copy(_ servers: [PoolPlan.Server]) -> UnsafeMutableBufferPointer<PoolPlan.Server> {
        let copy = UnsafeMutableBufferPointer<PoolPlan.Server>.allocate(capacity: servers.count)
        _ = copy.initialize(from: servers)
        return copy
    }

    private static func picker(_ plan: PoolPlan, _ seed: UInt64) -> Picker? {
        guard let policy = plan.policy else { return nil }
        return Picker(
            policy,
            servers: plan.servers.count,
            seed: seed,
            table: plan.table,
            tolerance: plan.latencyTolerance
        )
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
    ///   - now: monotonic clock, in nanoseconds.
    mutating func choose(key: UInt64, tried: TriedServers, now: Int) -> Choice {
        guard picker != nil else { return choosePreferred(tried) }
        var view = PoolView(servers: UnsafeBufferPointer(servers), tried: tried, mustBeOpen: true, now: now)
        if let position = pick(from: view, key: key) { return .server(position) }
        var standing = view.standing
        if !standing.isAnyOpen {
            switch onAllDown {
            case .refuse:
                break
            case .queue:
                return .allDown
            case .tryAnyway:
                view.mustBeOpen = false
                if let position = pick(from: view, key: key) { return .server(position) }
                standing = view.standing
            }
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
