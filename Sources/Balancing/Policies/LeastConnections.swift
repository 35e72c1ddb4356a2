import Randomness

/// Weighted least connections: the smallest (connections + 1) / weight, which is the load after the pick.
///
/// Servers with equal load take turns, and workers start at different ones.
public struct LeastConnections: Sendable {
    /// The server at which the next scan starts; the first of several equal servers wins.
    @usableFromInline var start: Int

    /// - Parameters:
    ///   - servers: The number of servers of the pool.
    ///   - seed: Determines the first server among equals.
    public init(servers: Int, seed: UInt64) {
        start = SplitMix64.scale(SplitMix64.mix(seed), below: max(1, servers))
    }

    /// Selects the server for a new connection; returns nil if none is available.
    @inlinable
    public mutating func pick<V: ServerView & ~Copyable>(from view: borrowing V) -> Int? {
        pick(from: view, among: Candidates(backups: false)) ?? pick(from: view, among: Candidates(backups: true))
    }

    @inlinable
    mutating func pick<V: ServerView & ~Copyable>(from view: borrowing V, among candidates: Candidates) -> Int? {
        let count = view.count
        var server = start
        var best = -1
        var bestLoad = 0
        var bestWeight = 0
        for _ in 0..<count {
            if server >= count { server = 0 }
            let weight = view.weight(of: server, among: candidates)
            if weight > 0 {
                let load = view.connections(of: server) &+ 1
                if best < 0 || load &* bestWeight < bestLoad &* weight {
                    best = server
                    bestLoad = load
                    bestWeight = weight
                }
            }
            server &+= 1
        }
        guard best >= 0 else { return nil }
        start = best &+ 1
        return best
    }
}
