import Balancing

/// A pool that a test sets as it likes.
struct Pool: ServerView {
    struct Server {
        var weight = 1
        var isBackup = false
        var isAvailable = true
        var connections = 0
        var connectTime = 0

        /// Whether a pick may choose it.
        var isCandidate: Bool { isAvailable && weight > 0 }
    }

    var servers: [Server]

    init(_ servers: [Server]) {
        self.servers = servers
    }

    init(weights: [Int]) {
        servers = weights.map { Server(weight: $0) }
    }

    var count: Int { servers.count }
    func weight(of server: Int) -> Int { servers[server].weight }
    func isBackup(_ server: Int) -> Bool { servers[server].isBackup }
    func isAvailable(_ server: Int) -> Bool { servers[server].isAvailable }
    func connections(of server: Int) -> Int { servers[server].connections }
    func connectTime(of server: Int) -> Int { servers[server].connectTime }

    /// Of those that are not backup servers.
    var totalWeight: Int { servers.reduce(0) { $0 + ($1.isBackup ? 0 : $1.weight) } }

    /// The pool's Maglev table, in which its servers are called by their place; a backup server has no place in it.
    var table: MaglevTable {
        MaglevTable(
            servers.enumerated().map { MaglevTable.Server(name: "server-\($0)", weight: $1.isBackup ? 0 : $1.weight) },
            size: 1009
        )
    }
}

/// Whether a count lies so near to its share of all that chance explains the difference.
///
/// A share of independent draws has a standard deviation of √(n p (1 - p)). Five of them are exceeded once in two million
/// times; so with the seeds at hand, where nothing changes from run to run, a failure means a wrong share.
func isByChance(_ count: Int, share: Double, of all: Int) -> Bool {
    abs(Double(count) - Double(all) * share) <= 5 * (Double(all) * share * (1 - share)).squareRoot()
}

/// How often each server is picked.
func tally(_ picks: Int, servers: Int, _ pick: (Int) -> Int?) -> [Int] {
    var counts = [Int](repeating: 0, count: servers)
    for number in 0..<picks {
        if let server = pick(number) { counts[server] += 1 }
    }
    return counts
}
