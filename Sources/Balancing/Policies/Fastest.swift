/// The smallest connect time × (connections + 1) / weight, the time being a ``PeakAverage``.
///
/// One pick in ``explorationInterval`` goes to a server drawn by weight instead. So a server that was slow once is
/// measured again, and nobody starves.
public struct Fastest: Sendable {
    /// One pick in so many is drawn, on average.
    @inlinable public static var explorationInterval: Int { 32 }
    /// What a server counts as whose connect time is not known yet while somebody is connecting to it, in nanoseconds:
    /// until the first has come back, nobody follows.
    @inlinable public static var unknownConnectTime: Int { 1_000_000_000 }

    @usableFromInline var random: RandomNumbers
    /// Where the next look begins, and so who wins among equals.
    @usableFromInline var start: Int

    /// - Parameters:
    ///   - servers: how many the pool has.
    ///   - seed: of what is drawn, and of where among equals to begin.
    public init(servers: Int, seed: UInt64) {
        random = RandomNumbers(seed: seed)
        start = random.next(below: max(1, servers))
    }

    /// The server for a new connection, or nil if none is available.
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
