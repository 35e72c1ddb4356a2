import Randomness
import Testing

@testable import Balancing

/// Invariants of every policy, on random pools and changes drawn from a seed.
@Suite("All policies")
struct PickerTests {
    static let seeds = 0..<60 as Range<UInt64>

    /// A pool of 1 to 12 servers in any state.
    private func drawnPool(_ random: inout SplitMix64) -> Pool {
        Pool((0..<1 + random.next(below: 12)).map { _ in drawnServer(&random) })
    }

    private func drawnServer(_ random: inout SplitMix64) -> Pool.Server {
        Pool.Server(
            weight: [0, 1, 1, 3, 256, 5_000, 1 << 20, 1 << 40][random.next(below: 8)],
            isBackup: random.next(below: 4) == 0,
            isAvailable: random.next(below: 3) > 0,
            connections: [0, 1, 50, 1 << 30][random.next(below: 4)],
            connectTime: [0, 1, 1_000_000, .max][random.next(below: 4)]
        )
    }

    private func change(_ pool: inout Pool, _ random: inout SplitMix64) {
        let server = random.next(below: pool.count)
        let isBackup = pool.servers[server].isBackup
        pool.servers[server] = drawnServer(&random)
        pool.servers[server].isBackup = isBackup
    }

    @Test(
        "An available server is always picked, and a backup only if no other is available",
        arguments: BalancingPolicy.allCases,
        seeds
    )
    func candidates(policy: BalancingPolicy, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var pool = drawnPool(&random)
        var picker = Picker(policy, servers: pool.count, seed: seed, table: pool.table)
        var picks = 0
        var counts = [Int](repeating: 0, count: pool.count)
        for _ in 0..<200 {
            let candidates = pool.servers.filter(\.isCandidate)
            if let server = picker.pick(from: pool, key: random.next()) {
                picks += 1
                counts[server] += 1
                #expect(pool.servers[server].isCandidate)
                #expect(!pool.servers[server].isBackup || candidates.allSatisfy(\.isBackup))
                if random.next(below: 2) == 0 { pool.servers[server].connections += 1 }
            } else {
                #expect(candidates.isEmpty)
            }
            if random.next(below: 3) == 0 { change(&pool, &random) }
        }
        #expect(counts.reduce(0, +) == picks)
    }

    @Test(
        "The same seed, pool and keys give the same picks",
        arguments: BalancingPolicy.allCases,
        0..<10 as Range<UInt64>
    )
    func determinism(policy: BalancingPolicy, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var pool = drawnPool(&random)
        var one = Picker(policy, servers: pool.count, seed: seed, table: pool.table)
        var other = Picker(policy, servers: pool.count, seed: seed, table: pool.table)
        for _ in 0..<200 {
            let key = random.next()
            #expect(one.pick(from: pool, key: key) == other.pick(from: pool, key: key))
            change(&pool, &random)
        }
    }

    @Test("A pool without servers, or without available servers, returns no pick", arguments: BalancingPolicy.allCases)
    func noServer(policy: BalancingPolicy) {
        var empty = Picker(policy, servers: 0, seed: 1, table: Pool([]).table)
        #expect(empty.pick(from: Pool([]), key: 1) == nil)
        var pool = Pool(weights: [1, 1, 0])
        var picker = Picker(policy, servers: 3, seed: 1, table: pool.table)
        #expect(picker.pick(from: pool, key: 1) != nil)
        pool.servers[0].isAvailable = false
        pool.servers[1].isAvailable = false
        #expect(picker.pick(from: pool, key: 1) == nil)
    }

    @Test("Backup servers are used only while all others are unavailable", arguments: BalancingPolicy.allCases)
    func backups(policy: BalancingPolicy) {
        var pool = Pool(weights: [1, 1, 1, 1])
        pool.servers[1].isBackup = true
        pool.servers[3].isBackup = true
        var picker = Picker(policy, servers: 4, seed: 1, table: pool.table)
        for primariesUp in [true, false, true] {
            pool.servers[0].isAvailable = primariesUp
            pool.servers[2].isAvailable = primariesUp
            let counts = tally(1000, servers: 4) { picker.pick(from: pool, key: UInt64($0)) }
            #expect(counts.reduce(0, +) == 1000)
            #expect(counts[1] + counts[3] == (primariesUp ? 0 : 1000))
        }
    }

    /// A pool whose state changes between any two reads, as other workers may change it.
    private final class RestlessPool: ServerView {
        private var random: SplitMix64
        init(seed: UInt64) { random = SplitMix64(seed: seed) }
        let count = 5
        func weight(of server: Int) -> Int { random.next(below: 4) }
        func isBackup(_ server: Int) -> Bool { random.next(below: 4) == 0 }
        func isAvailable(_ server: Int) -> Bool { random.next(below: 2) == 0 }
        func connections(of server: Int) -> Int { random.next(below: 4) - 1 }
        func latency(of server: Int) -> Int { random.next(below: 4) - 1 }
        func latencyAge(of server: Int) -> Int { random.next(below: 4) - 1 }
    }

    @Test("A pool that changes between reads causes no invalid pick", arguments: BalancingPolicy.allCases)
    func restless(policy: BalancingPolicy) {
        let pool = RestlessPool(seed: 1)
        var picker = Picker(policy, servers: 5, seed: 1, table: Pool(weights: [1, 2, 3, 4, 5]).table)
        var found = 0
        for key in 0..<20_000 as Range<UInt64> {
            guard let server = picker.pick(from: pool, key: key) else { continue }
            found += 1
            #expect((0..<5).contains(server))
        }
        #expect(found > 10_000)
    }

    @Test("Policies have their documented names")
    func names() {
        #expect(
            BalancingPolicy.allCases.map(\.rawValue) == [
                "round-robin", "least-connections", "random", "source-hash", "maglev", "first", "fastest",
            ]
        )
        #expect(BalancingPolicy.allCases.filter(\.usesKey) == [.sourceHash, .maglev])
    }
}
