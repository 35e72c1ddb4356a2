public import Randomness

/// Two different servers drawn by weight; of these, the one with fewer connections relative to its weight.
///
/// If both are equal, the first one drawn is picked, so that an idle pool is used by weight. The second choice removes
/// nearly all of the imbalance of purely random selection (Mitzenmacher, "The power of two choices in randomized load
/// balancing", 2001). Unlike "least connections" it does not direct all clients to the same server at the same time.
public struct RandomOfTwo: Sendable {
    @usableFromInline var random: SplitMix64

    public init(seed: UInt64) {
        random = SplitMix64(seed: seed)
    }

    /// Selects the server for a new connection; returns nil if none is available.
    @inlinable
    public mutating func pick<V: ServerView & ~Copyable>(from view: borrowing V) -> Int? {
        pick(from: view, backups: false) ?? pick(from: view, backups: true)
    }

    @inlinable
    mutating func pick<V: ServerView & ~Copyable>(from view: borrowing V, backups: Bool) -> Int? {
        guard let first = draw(from: view, among: Candidates(backups: backups)) else { return nil }
        guard let second = draw(from: view, among: Candidates(backups: backups, excluding: first)) else { return first }
        let load = (view.connections(of: first), view.connections(of: second))
        let weight = (view.effectiveWeight(of: first), view.effectiveWeight(of: second))
        return load.1 &* weight.0 < load.0 &* weight.1 ? second : first
    }

    /// Draws a server by weight.
    @inlinable
    mutating func draw<V: ServerView & ~Copyable>(from view: borrowing V, among candidates: Candidates) -> Int? {
        let total = view.totalWeight(among: candidates)
        guard total > 0 else { return nil }
        return view.server(at: random.next(below: total), among: candidates)
    }
}
