/// The client's key over the weights laid end to end: the same server for as long as the pool stays as it is.
///
/// The key is first laid over all servers, whether available or not. Only if it falls on one that is not does a second
/// hash choose among those that are: so a server that fails moves its own clients, and has them back when it returns.
/// A server that joins or leaves, or a changed weight, moves many; ``Maglev`` moves few.
public struct SourceHash: Sendable {
    public init() {}

    /// The server for a new connection, or nil if none is available.
    ///
    /// - Parameter key: of the client; ``KeyHash/address(high:low:)`` or any other number.
    @inlinable
    public func pick<V: ServerView & ~Copyable>(from view: borrowing V, key: UInt64) -> Int? {
        pick(from: view, key: key, backups: false) ?? pick(from: view, key: key, backups: true)
    }

    @inlinable
    func pick<V: ServerView & ~Copyable>(from view: borrowing V, key: UInt64, backups: Bool) -> Int? {
        let hash = KeyHash.mix(key)
        let all = Candidates(backups: backups, includeUnavailable: true)
        let total = view.totalWeight(among: all)
        guard total > 0 else { return nil }
        if let server = view.server(at: KeyHash.point(hash, below: total), among: all), view.isAvailable(server) {
            return server
        }
        return Self.pick(from: view, hash: KeyHash.mix(hash), among: Candidates(backups: backups))
    }

    @inlinable
    static func pick<V: ServerView & ~Copyable>(
        from view: borrowing V,
        hash: UInt64,
        among candidates: Candidates
    ) -> Int? {
        let total = view.totalWeight(among: candidates)
        guard total > 0 else { return nil }
        return view.server(at: KeyHash.point(hash, below: total), among: candidates)
    }
}
