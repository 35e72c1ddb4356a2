/// One worker's picks for one pool, by whichever policy the pool has: its own state, and no locks.
///
/// A pick allocates nothing and counts no references. Servers are looked through in order, so it takes time in proportion
/// to their number; `docs/balancing.md` has the figures.
public struct Picker: ~Copyable, Sendable {
    public let policy: Policy
    // Only the policy's own is in use. The others are a few words each, which is less than a case for each would cost:
    // what is in an enum has to be taken out and put back to be changed.
    @usableFromInline var roundRobin: RoundRobin
    @usableFromInline var leastConnections: LeastConnections
    @usableFromInline var randomOfTwo: RandomOfTwo
    @usableFromInline var fastest: Fastest
    @usableFromInline let maglev: Maglev

    /// - Parameters:
    ///   - servers: how many the pool has; the view that is picked from must have as many.
    ///   - seed: another one for each worker, so that not all begin at the same server.
    ///   - table: for ``Policy/maglev``, and built for this pool's servers in this order.
    public init(_ policy: Policy, servers: Int, seed: UInt64, table: MaglevTable? = nil) {
        precondition(
            policy != .maglev || table?.serverCount == servers,
            "maglev needs a table of its \(servers) servers"
        )
        self.policy = policy
        roundRobin = RoundRobin(servers: policy == .roundRobin ? servers : 0, seed: seed)
        leastConnections = LeastConnections(servers: servers, seed: seed)
        randomOfTwo = RandomOfTwo(seed: seed)
        fastest = Fastest(servers: servers, seed: seed)
        maglev = Maglev(table: table ?? MaglevTable([]))
    }

    /// The server for a new connection; backup servers only if no other is available, nil if none is at all.
    ///
    /// - Parameter key: of the client, for the policies of which ``Policy/usesKey`` says so; the others do not look at it.
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
