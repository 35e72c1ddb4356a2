import Balancing
import Benchmark
import Synchronization

/// The pick of each policy, on a pool of three and of a hundred servers that other workers may change concurrently.
func pickBenchmarks() {
    for policy in BalancingPolicy.allCases {
        for servers in [3, 100] {
            Benchmark("Picker: \(policy.rawValue), \(servers) servers") { benchmark in
                let pool = Pool(servers: servers)
                defer { pool.free() }
                var picker = Picker(policy, servers: servers, seed: 1, table: pool.table)
                benchmark.startMeasurement()
                for iteration in benchmark.scaledIterations {
                    blackHole(picker.pick(from: pool, key: UInt64(truncatingIfNeeded: iteration)))
                }
                benchmark.stopMeasurement()
            }
        }
    }
}

/// Servers in memory that workers share, as the proxy has them.
private struct Pool: ServerView {
    private struct Server: ~Copyable {
        let connections: Atomic<Int>
        let connectTime: Atomic<Int>
        let weight: Atomic<Int>
        let isAvailable = Atomic(true)
    }

    let count: Int
    private let servers: UnsafeMutablePointer<Server>

    init(servers count: Int) {
        self.count = count
        servers = .allocate(capacity: count)
        for server in 0..<count {
            (servers + server).initialize(
                to: Server(
                    connections: Atomic(server * 7 % 5),
                    connectTime: Atomic(1_000_000 + server * 7919 % 1000),
                    weight: Atomic(EffectiveWeight.of(1 + server % 3))
                )
            )
        }
    }

    var table: MaglevTable {
        MaglevTable((0..<count).map { MaglevTable.Server(name: "server-\($0)", weight: 1 + $0 % 3) })
    }

    func free() {
        servers.deinitialize(count: count)
        servers.deallocate()
    }

    func weight(of server: Int) -> Int { servers[server].weight.load(ordering: .relaxed) }
    func isBackup(_ server: Int) -> Bool { false }
    func isAvailable(_ server: Int) -> Bool { servers[server].isAvailable.load(ordering: .relaxed) }
    func connections(of server: Int) -> Int { servers[server].connections.load(ordering: .relaxed) }
    func latency(of server: Int) -> Int { servers[server].connectTime.load(ordering: .relaxed) }
}
