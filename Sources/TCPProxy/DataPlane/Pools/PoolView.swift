import Balancing

/// The servers of a pool that have failed for a connection, by position.
///
/// Positions that are equal modulo 64 share a bit, so a connection tries at most 64 servers.
struct TriedServers: Equatable {
    private var bits: UInt64 = 0

    var isEmpty: Bool { bits == 0 }
    func contains(_ position: Int) -> Bool { bits & bit(position) != 0 }
    mutating func insert(_ position: Int) { bits |= bit(position) }

    private func bit(_ position: Int) -> UInt64 { 1 << UInt64(position & 63) }
}

/// The servers of a pool as seen by a policy for one connection.
struct PoolView: ServerView {
    let servers: UnsafeBufferPointer<PoolPlan.Server>
    let tried: TriedServers
    /// False if all servers are closed and one is tried nevertheless.
    var mustBeOpen: Bool

    var count: Int { servers.count }
    func weight(of server: Int) -> Int { servers[server].share.weight }
    func isBackup(_ server: Int) -> Bool { servers[server].isBackup }
    func connections(of server: Int) -> Int { servers[server].share.connections }
    func connectTime(of server: Int) -> Int { servers[server].share.connectTime }

    func isAvailable(_ server: Int) -> Bool {
        canBeTried(server) && servers[server].share.connections < servers[server].share.limit
    }

    private func canBeTried(_ server: Int) -> Bool {
        let share = servers[server].share
        return (share.isOpen || !mustBeOpen) && share.weight > 0 && !tried.contains(server)
    }

    /// The reason why no server can be picked: whether any server is open, and whether any eligible server is untried
    /// by this connection.
    var standing: (isAnyOpen: Bool, isAnyLeft: Bool) {
        var standing = (isAnyOpen: false, isAnyLeft: false)
        for server in 0..<count {
            if servers[server].share.isOpen { standing.isAnyOpen = true }
            if canBeTried(server) { standing.isAnyLeft = true }
        }
        return standing
    }
}
