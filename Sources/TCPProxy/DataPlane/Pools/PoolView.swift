import Balancing

/// The servers of a pool as seen by a policy for one connection.
struct PoolView: ServerView {
    let servers: UnsafeBufferPointer<PoolPlan.Server>
    let tried: TriedServers
    /// False if all servers are closed and one is tried nevertheless.
    var mustBeOpen: Bool
    /// Monotonic time, in nanoseconds.
    let now: Int

    var count: Int { servers.count }
    func weight(of server: Int) -> Int { servers[server].share.weight }
    func isBackup(_ server: Int) -> Bool { servers[server].isBackup }
    func connections(of server: Int) -> Int { servers[server].share.connections }
    func latency(of server: Int) -> Int { servers[server].share.latency }
    func latencyAge(of server: Int) -> Int { now &- servers[server].share.latencyAt }

    func isAvailable(_ server: Int) -> Bool {
        canBeTried(server) && servers[server].share.connections < servers[server].share.limit
    }

    private func canBeTried(_ server: Int) -> Bool {
        let share = servers[server].share
        return (share.isOpen || !mustBeOpen) && share.weight > 0 && !tried.contains(server)
    }

    /// The reason why no server can be picked: whether any server is open and has a weight, and whether any eligible server is untried
    /// by this connection.
    var standing: (isAnyOpen: Bool, isAnyLeft: Bool) {
        var standing = (isAnyOpen: false, isAnyLeft: false)
        for server in 0..<count {
            if servers[server].share.isOpen, servers[server].share.weight > 0 { standing.isAnyOpen = true }
            if canBeTried(server) { standing.isAnyLeft = true }
        }
        return standing
    }
}
