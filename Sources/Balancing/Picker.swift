/// The server selection of one worker for one pool, with the policy of the pool. It has its own state and no locks.
///
/// A pick performs no allocation and no reference counting. All policies but Maglev examine the servers in order, so
/// the time is proportional to the number of servers; see `docs/balancing.md` for measurements. Maglev does so only if
/// its table lookups find no available server.
public struct Picker: ~Copyable, Sendable {
    public let policy: BalancingPolicy
    // Only the state of the selected policy is used. The others take a few words each, which costs less than an enum
    // with a case for each: an enum's payload must be moved out and back in to be modified.
    @usableFromInline var roundRobin: RoundRobin
    @usableFromInline var leastConnections: LeastConnections
    @usableFromInline var randomOfTwo: RandomOfTwo
    @usableFromInline var fastest: Fastest
    @usableFromInline let maglev: Maglev

    /// - Parameters:
    ///   - servers: The number of servers of the pool; the view passed to `pick` must have the same number.
    ///   - seed: A different seed for each worker, so that the workers do not all start at the same server.
    ///   - table: The table for ``BalancingPolicy/maglev``, built for the servers of this pool in this order.
    ///   - tolerance: For ``BalancingPolicy/fastest``: the difference of latencies from which on it counts, in
    ///     nanoseconds, at least 0.
    public init(
        _ policy: BalancingPolicy,
        servers: Int,
        seed: UInt64,
        table: MaglevTable? = nil,
        tolerance: Int = Fastest.defaultTolerance
    ) {
        precondition(
            policy != .maglev || table?.serverCount == servers,
            "the policy maglev requires a table of the pool's \(servers) servers"
        )
        self.policy = policy
        roundRobin = RoundRobin(servers: policy == .roundRobin ? servers : 0, seed: seed)
        leastConnections = LeastConnections(servers: servers, seed: seed)
        randomOfTwo = RandomOfTwo(seed: seed)
        fastest = Fastest(servers: servers, seed: seed, tolerance: tolerance)
        maglev = Maglev(table: table ?? MaglevTable([]))
    }

    /// Selects the server for a new connection. Backup servers are used only if no other server is available; returns
    /// nil if none is available.
    ///
    /// - Parameter key: The key of the client, used only by policies for which ``BalancingPolicy/usesKey`` is true.
    @inlinable
    public mutating func pick<V: ServerView & ~Copyable>(from view: borrowing V, key: UInt64) -> Int? {
        switch policy {
        case .roundRobin: roundRobin.pick(from: view)
        case .leastConnections: leastConnections.pick(from: view)
        case .random: randomOfTwo.pick(from: view)
        case .sourceHash: SourceHash().pick(from: view, key: key)
        case .maglev: maglev.pick(from: view, key: key)
        case .first: First().pick(from: view)
        case .fastest: fastest.pick(from: view)
        }
    }
}
