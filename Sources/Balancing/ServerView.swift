/// What a policy sees of a pool's servers, by their index in the pool.
///
/// What lies behind it may change between two calls, since other workers count connections and find servers down at the
/// same time. A policy then may pick what has just gone; it never traps, and it never loops.
public protocol ServerView: ~Copyable {
    /// How many servers the pool has, whatever their state.
    var count: Int { get }

    /// The server's share of connections, next to the others' shares: 0 for none, at most ``EffectiveWeight/limit``.
    func weight(of server: Int) -> Int

    /// Whether the server takes connections only while no other can.
    func isBackup(_ server: Int) -> Bool

    /// Whether a connection may go there now: up, not drained, not ejected, not full, not tried already by this one.
    func isAvailable(_ server: Int) -> Bool

    /// Connections of the whole process to the server now, those that are being made among them.
    func connections(of server: Int) -> Int

    /// The server's time to connect in nanoseconds, as ``PeakAverage`` keeps it; 0 if it is not known yet.
    func connectTime(of server: Int) -> Int
}

/// Which of a pool's servers a choice is among.
@usableFromInline
struct Candidates {
    /// The backup servers, or the others.
    @usableFromInline var areBackups: Bool
    /// Those too to which no connection may go now.
    @usableFromInline var includeUnavailable = false
    /// A server that is left out; -1 for none.
    @usableFromInline var excluded = -1

    @inlinable
    init(backups: Bool, includeUnavailable: Bool = false, excluding excluded: Int = -1) {
        areBackups = backups
        self.includeUnavailable = includeUnavailable
        self.excluded = excluded
    }
}

extension ServerView where Self: ~Copyable {
    /// The weight with which a server takes part in a choice; 0 if it does not.
    @inlinable
    func weight(of server: Int, among candidates: Candidates) -> Int {
        guard server != candidates.excluded, isBackup(server) == candidates.areBackups,
            candidates.includeUnavailable || isAvailable(server)
        else { return 0 }
        return effectiveWeight(of: server)
    }

    @inlinable
    func effectiveWeight(of server: Int) -> Int {
        min(max(0, weight(of: server)), EffectiveWeight.limit)
    }

    @inlinable
    func totalWeight(among candidates: Candidates) -> Int {
        var total = 0
        for server in 0..<count { total &+= weight(of: server, among: candidates) }
        return total
    }

    /// The server in whose stretch a point lies, if the weights are laid end to end.
    ///
    /// - Parameter point: at least 0, below the total. If the weights have shrunk meanwhile, the last server has the rest.
    @inlinable
    func server(at point: Int, among candidates: Candidates) -> Int? {
        var left = point
        var last: Int?
        for server in 0..<count {
            let weight = weight(of: server, among: candidates)
            guard weight > 0 else { continue }
            if left < weight { return server }
            left &-= weight
            last = server
        }
        return last
    }
}
