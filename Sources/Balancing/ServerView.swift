/// A policy's view of the servers of a pool, by their index in the pool.
///
/// The underlying state may change between two calls, because other workers concurrently count connections and detect
/// failed servers. A policy may therefore pick a server that has just become unavailable, but it never traps and never
/// loops indefinitely.
public protocol ServerView: ~Copyable {
    /// The number of servers of the pool, regardless of their state.
    var count: Int { get }

    /// Returns the weight of the server relative to the others: 0 for no connections, at most
    /// ``EffectiveWeight/limit``.
    func weight(of server: Int) -> Int

    /// Returns whether the server takes connections only while no other server can.
    func isBackup(_ server: Int) -> Bool

    /// Returns whether the server can take a connection now: it is up, not draining, not ejected, not full, and this
    /// connection has not tried it yet.
    func isAvailable(_ server: Int) -> Bool

    /// Returns the current number of connections of the entire process to the server, including those being
    /// established.
    func connections(of server: Int) -> Int

    /// Returns the latency of the server in nanoseconds, such as its connect time, as maintained by ``PeakAverage``; 0
    /// if it is unknown.
    func latency(of server: Int) -> Int

    /// Returns the time since the latency of the server was last measured, in nanoseconds.
    func latencyAge(of server: Int) -> Int
}

/// The servers of a pool that are eligible for a selection.
@usableFromInline
struct Candidates {
    /// Whether the candidates are the backup servers or the primary servers.
    @usableFromInline var areBackups: Bool
    /// Whether unavailable servers are included.
    @usableFromInline var includeUnavailable = false
    /// The index of an excluded server; -1 for none.
    @usableFromInline var excluded = -1

    @inlinable
    init(backups: Bool, includeUnavailable: Bool = false, excluding excluded: Int = -1) {
        areBackups = backups
        self.includeUnavailable = includeUnavailable
        self.excluded = excluded
    }
}

extension ServerView where Self: ~Copyable {
    /// Returns the weight of a server in a selection; 0 if it is not eligible.
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

    /// Returns the server whose interval contains a point, with the weights laid end to end.
    ///
    /// - Parameter point: At least 0 and less than the total weight. If the weights have decreased since the total was
    ///   computed, the last server gets the remainder.
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
