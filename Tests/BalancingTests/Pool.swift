import Balancing

/// A pool whose state a test sets freely.
struct Pool: ServerView {
    struct Server {
        var weight = 1
        var isBackup = false
        var isAvailable = true
        var connections = 0
        var connectTime = 0
        var latencyAge = 0

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
    func latency(of server: Int) -> Int { servers[server].connectTime }
    func latencyAge(of server: Int) -> Int { servers[server].latencyAge }

    /// The total weight of the servers that are not backup servers.
    var totalWeight: Int { servers.reduce(0) { $0 + ($1.isBackup ? 0 : $1.weight) } }

    /// The pool's Maglev table, in which the servers are named by index; a backup server has no slot in it.
    var table: MaglevTable {
        MaglevTable(
            servers.enumerated().map { MaglevTable.Server(name: "server-\($0)", weight: $1.isBackup ? 0 : $1.weight) },
            size: 1009
        )
    }
}

/// Whether a count is so near to its expected share that chance explains the difference.
///
/// A share of independent draws has a standard deviation of √(n p (1 - p)). Five of them are exceeded once in two
/// million runs; so with the fixed seeds, which give the same result in each run, a failure means a wrong share.
func isByChance(_ count: Int, share: Double, of all: Int) -> Bool {
    abs(Double(count) - Double(all) * share) <= 5 * (Double(all) * share * (1 - share)).squareRoot()
}

/// Counts how often each server is picked.
func tally(_ picks: Int, servers: Int, _ pick: (Int) -> Int?) -> [Int] {
    var counts = [Int](repeating: 0, count: servers)
    for number in 0..<picks {
        if let server = pick(number) { counts[server] += 1 }
    }
    return counts
}
