import Testing

@testable import Balancing

@Suite("Source hash and maglev")
struct HashPoliciesTests {
    static let hashPolicies: [BalancingPolicy] = [.sourceHash, .maglev]
    static let weights: [[Int]] = [[1, 1, 1], [5, 1, 1], [4, 3, 2, 1], [256, 128, 64]]
    /// Hash keys of consecutive client addresses in one network.
    private static let keys = (0..<100_000 as Range<UInt64>).map {
        KeyHash.address(high: 0, low: 0xFFFF_0A00_0000 + $0)
    }

    @Test("Source hash: 100,000 clients are spread by weight", arguments: weights)
    func sourceHashShares(weights: [Int]) {
        let pool = Pool(weights: weights)
        let policy = SourceHash()
        let counts = tally(100_000, servers: weights.count) { policy.pick(from: pool, key: Self.keys[$0]) }
        let total = Double(weights.reduce(0, +))
        for (count, weight) in zip(counts, weights) {
            #expect(isByChance(count, share: Double(weight) / total, of: 100_000), "\(counts)")
        }
    }

    @Test("Maglev: 100,000 clients are spread by table slots, and slots by weight", arguments: weights)
    func maglevShares(weights: [Int]) {
        let pool = Pool(weights: weights)
        let table = pool.table
        let policy = Maglev(table: table)
        let counts = tally(100_000, servers: weights.count) { policy.pick(from: pool, key: Self.keys[$0]) }
        let total = Double(weights.reduce(0, +))
        for (server, weight) in weights.enumerated() {
            let places = table.placeCount(of: server)
            // Slots are assigned in rounds by weight; in the last round some servers may not have had their turn.
            #expect(abs(Double(places) - 1009 * Double(weight) / total) <= 2)
            #expect(isByChance(counts[server], share: Double(places) / 1009, of: 100_000), "\(counts)")
        }
    }

    @Test("Only the key determines the server; unhashed keys spread evenly", arguments: hashPolicies)
    func anyKey(policy: BalancingPolicy) {
        let pool = Pool(weights: [1, 1, 1, 1])
        var one = Picker(policy, servers: 4, seed: 1, table: pool.table)
        var other = Picker(policy, servers: 4, seed: 2, table: pool.table)
        let counts = tally(100_000, servers: 4) { key in
            let server = one.pick(from: pool, key: UInt64(key))
            #expect(other.pick(from: pool, key: UInt64(key)) == server)
            return server
        }
        for (server, count) in counts.enumerated() {
            let share = policy == .maglev ? Double(pool.table.placeCount(of: server)) / 1009 : 0.25
            #expect(isByChance(count, share: share, of: 100_000), "\(counts)")
        }
    }

    @Test("The clients of an unavailable server move by weight, and return to it", arguments: hashPolicies)
    func away(policy: BalancingPolicy) {
        var pool = Pool(weights: [3, 2, 1, 2])
        var picker = Picker(policy, servers: 4, seed: 1, table: pool.table)
        let before = Self.keys.map { picker.pick(from: pool, key: $0) }
        pool.servers[1].isAvailable = false
        let during = Self.keys.map { picker.pick(from: pool, key: $0) }
        var moved = [0, 0, 0, 0]
        for (server, now) in zip(before, during) {
            if server == 1 { moved[now ?? 1] += 1 } else { #expect(now == server) }
        }
        let all = moved.reduce(0, +)
        #expect(moved[1] == 0)
        let places = pool.table
        for server in [0, 2, 3] {
            let share =
                policy == .maglev
                ? Double(places.placeCount(of: server)) / Double(1009 - places.placeCount(of: 1))
                : Double(pool.servers[server].weight) / 6
            #expect(isByChance(moved[server], share: share, of: all), "\(moved)")
        }
        pool.servers[1].isAvailable = true
        #expect(Self.keys.map { picker.pick(from: pool, key: $0) } == before)
    }

    @Test("Maglev: with nearly all servers unavailable, each client still has one constant server")
    func nearlyAllAway() {
        var pool = Pool(weights: [Int](repeating: 1, count: 100))
        for server in 0..<100 where server != 17 && server != 64 { pool.servers[server].isAvailable = false }
        let policy = Maglev(table: pool.table)
        let counts = tally(10_000, servers: 100) { policy.pick(from: pool, key: Self.keys[$0]) }
        #expect(counts[17] + counts[64] == 10_000)
        #expect(isByChance(counts[17], share: 0.5, of: 10_000))
    }

    @Test("Maglev: a weight set to 0 takes effect before the table is rebuilt")
    func weightGone() {
        var pool = Pool(weights: [1, 1, 1])
        let policy = Maglev(table: pool.table)
        pool.servers[0].weight = 0
        let counts = tally(10_000, servers: 3) { policy.pick(from: pool, key: Self.keys[$0]) }
        #expect(counts[0] == 0 && counts[1] + counts[2] == 10_000)
    }
}
