public import Randomness

/// The client's key mapped to the weights laid end to end: the same server as long as the pool does not change.
///
/// The key is first mapped to all servers, whether available or not. Only if that server is unavailable, a second hash
/// selects one of the available servers. A failed server therefore moves only its own clients, which return when the
/// server recovers. Adding or removing a server or changing a weight moves many clients; ``Maglev`` moves few.
public struct SourceHash: Sendable {
    public init() {}

    /// Selects the server for a new connection; returns nil if none is available.
    ///
    /// - Parameter key: The key of the client: ``KeyHash/address(high:low:)`` or any other number.
    @inlinable
    public func pick<V: ServerView & ~Copyable>(from view: borrowing V, key: UInt64) -> Int? {
        pick(from: view, key: key, backups: false) ?? pick(from: view, key: key, backups: true)
    }

    @inlinable
    func pick<V: ServerView & ~Copyable>(from view: borrowing V, key: UInt64, backups: Bool) -> Int? {
        let hash = SplitMix64.mix(key)
        let all = Candidates(backups: backups, includeUnavailable: true)
        let total = view.totalWeight(among: all)
        guard total > 0 else { return nil }
        if let server = view.server(at: SplitMix64.scale(hash, below: total), among: all), view.isAvailable(server) {
            return server
        }
        return Self.pick(from: view, hash: SplitMix64.mix(hash), among: Candidates(backups: backups))
    }

    @inlinable
    static func pick<V: ServerView & ~Copyable>(
        from view: borrowing V,
        hash: UInt64,
        among candidates: Candidates
    ) -> Int? {
        let total = view.totalWeight(among: candidates)
        guard total > 0 else { return nil }
        return view.server(at: SplitMix64.scale(hash, below: total), among: candidates)
    }
}
