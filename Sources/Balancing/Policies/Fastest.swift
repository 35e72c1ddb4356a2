public import Randomness

/// The smallest latency × (connections + 1) / weight, where the latency is a ``PeakAverage``.
///
/// Servers whose latency is not much above the lowest count as equally fast, see ``tolerance``, and equal servers
/// take turns: otherwise the differences between measurements of equal servers would decide, and one of them would get
/// nearly all connections while the pool is idle.
///
/// On average, one pick in ``explorationInterval`` goes to a server drawn by weight instead. A server that was slow
/// once is thus measured again, and no server starves. In a pool with few connections this takes long, so the excess of a
/// latency over the lowest one also decays while nothing is measured.
public struct Fastest: Sendable {
    /// The average number of picks per randomly drawn server.
    @inlinable public static var explorationInterval: Int { 32 }
    /// The assumed latency in nanoseconds of a server that has connections but no measured latency: no further clients
    /// follow until the first measurement.
    @inlinable public static var unknownLatency: Int { 1_000_000_000 }
    /// The default of ``tolerance``.
    @inlinable public static var defaultTolerance: Int { 1_000_000 }

    /// The smallest difference to the lowest latency from which on a server counts as slower, in nanoseconds; a
    /// difference of less than 10 % does not count either.
    @usableFromInline let tolerance: Int

    @usableFromInline var random: SplitMix64
    /// The server at which the next scan starts; the first of several equal servers wins.
    @usableFromInline var start: Int

    /// - Parameters:
    ///   - servers: The number of servers of the pool.
    ///   - seed: Determines the random draws and the first server among equals.
    ///   - tolerance: The difference of latencies from which on it counts, in nanoseconds, at least 0.
    public init(servers: Int, seed: UInt64, tolerance: Int = defaultTolerance) {
        self.tolerance = tolerance
        random = SplitMix64(seed: seed)
        start = random.next(below: max(1, servers))
    }

    /// Selects the server for a new connection; returns nil if none is available.
    @inlinable
    public mutating func pick<V: ServerView & ~Copyable>(from view: borrowing V) -> Int? {
        pick(from: view, among: Candidates(backups: false)) ?? pick(from: view, among: Candidates(backups: true))
    }

    @inlinable
    mutating func pick<V: ServerView & ~Copyable>(from view: borrowing V, among candidates: Candidates) -> Int? {
        if random.next(below: Self.explorationInterval) == 0 {
            let total = view.totalWeight(among: candidates)
            guard total > 0 else { return nil }
            return view.server(at: random.next(below: total), among: candidates)
        }
        let count = view.count
        var shortest = Int.max
        for server in 0..<count where view.weight(of: server, among: candidates) > 0 {
            let latency = view.latency(of: server)
            if latency > 0, latency < shortest { shortest = latency }
        }
        var server = start
        var best = -1
        var lowest = Double.infinity
        for _ in 0..<count {
            if server >= count { server = 0 }
            let weight = view.weight(of: server, among: candidates)
            if weight > 0 {
                let cost = cost(of: server, in: view, shortest: shortest) / Double(weight)
                if cost < lowest {
                    best = server
                    lowest = cost
                }
            }
            server &+= 1
        }
        guard best >= 0 else { return nil }
        start = best &+ 1
        return best
    }

    /// Returns the part of a latency that exceeds the shortest one and counts; 0 if the two are equally fast.
    ///
    /// A server that is avoided is not measured, so its average would never decay: it decays here.
    @inlinable
    func excess(_ excess: Int, over shortest: Int, decayedFor age: Int) -> Int {
        let tolerance = max(tolerance, shortest / 10)
        guard excess >= tolerance else { return 0 }
        let decay = PeakAverage.decay(over: age, timeConstant: PeakAverage.defaultTimeConstant)
        let decayed = Int(Double(min(excess, PeakAverage.maxTime)) * decay)
        return decayed < tolerance ? 0 : decayed
    }

    @inlinable
    func cost<V: ServerView & ~Copyable>(of server: Int, in view: borrowing V, shortest: Int) -> Double {
        let connections = view.connections(of: server)
        var time = view.latency(of: server)
        if time <= 0 {
            time = connections > 0 ? Self.unknownLatency : 0
        } else {
            time = excess(time &- shortest, over: shortest, decayedFor: view.latencyAge(of: server)) &+ shortest
        }
        return Double(time) * Double(connections &+ 1)
    }
}
