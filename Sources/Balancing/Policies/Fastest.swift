public import Randomness

/// The smallest connect time × (connections + 1) / weight, where the connect time is a ``PeakAverage``.
///
/// On average, one pick in ``explorationInterval`` goes to a server drawn by weight instead. A server that was slow
/// once is thus measured again, and no server starves.
public struct Fastest: Sendable {
    /// The average number of picks per randomly drawn server.
    @inlinable public static var explorationInterval: Int { 32 }
    /// The assumed connect time in nanoseconds of a server that has connections but no measured connect time: no
    /// further clients follow until the first connect has completed.
    @inlinable public static var unknownConnectTime: Int { 1_000_000_000 }

    @usableFromInline var random: SplitMix64
    /// The server at which the next scan starts; the first of several equal servers wins.
    @usableFromInline var start: Int

    /// - Parameters:
    ///   - servers: The number of servers of the pool.
    ///   - seed: Determines the random draws and the first server among equals.
    public init(servers: Int, seed: UInt64) {
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
        var server = start
        var best = -1
        var lowest = Double.infinity
        for _ in 0..<count {
            if server >= count { server = 0 }
            let weight = view.weight(of: server, among: candidates)
            if weight > 0 {
                let cost = Self.cost(of: server, in: view) / Double(weight)
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

    @inlinable
    static func cost<V: ServerView & ~Copyable>(of server: Int, in view: borrowing V) -> Double {
        let connections = view.connections(of: server)
        var time = view.connectTime(of: server)
        if time <= 0 { time = connections > 0 ? unknownConnectTime : 0 }
        return Double(time) * Double(connections &+ 1)
    }
}
