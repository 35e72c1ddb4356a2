import Randomness
import Testing

@testable import Balancing

@Suite("Least connections, random and fastest")
struct LoadPoliciesTests {
    static let weights: [[Int]] = [[1, 1, 1], [5, 1, 1], [4, 3, 2, 1], [256, 128, 64]]

    /// Picks 100,000 connections; once `standing` of them are open, a uniformly drawn one ends before each pick.
    ///
    /// - Returns: the picks of each server, and how many of its connections ended.
    private func churn(
        _ pool: inout Pool,
        standing: Int,
        _ pick: (Pool) -> Int?
    ) -> (picks: [Int], ends: [Int]) {
        var random = SplitMix64(seed: 77)
        var connections: [Int] = []
        var picks = [Int](repeating: 0, count: pool.count)
        var ends = picks
        for _ in 0..<100_000 {
            if connections.count == standing {
                let ending = random.next(below: standing)
                connections.swapAt(ending, standing - 1)
                let server = connections.removeLast()
                pool.servers[server].connections -= 1
                ends[server] += 1
            }
            guard let server = pick(pool) else { continue }
            pool.servers[server].connections += 1
            picks[server] += 1
            connections.append(server)
        }
        return (picks, ends)
    }

    @Test("Least connections: open connections are exactly proportional to weight", arguments: weights)
    func leastConnections(weights: [Int]) {
        var pool = Pool(weights: weights)
        var policy = LeastConnections(servers: weights.count, seed: 1)
        let total = weights.reduce(0, +)
        let standing = 10 * total
        let (picks, ends) = churn(&pool, standing: standing) { policy.pick(from: $0) }
        #expect(picks.reduce(0, +) == 100_000)
        for (server, weight) in weights.enumerated() {
            // Each server loses connections in proportion to its open ones, so its new ones have that proportion.
            #expect(isByChance(picks[server], share: Double(weight) / Double(total), of: 100_000))
            #expect(picks[server] - ends[server] == pool.servers[server].connections)
            #expect(pool.servers[server].connections == 10 * weight)
        }
    }

    @Test("Least connections: the server with the lowest resulting load by weight is picked")
    func leastLoad() {
        var pool = Pool(weights: [2, 1])
        var policy = LeastConnections(servers: 2, seed: 1)
        var picked: [Int] = []
        for _ in 0..<6 {
            let server = policy.pick(from: pool)
            picked.append(server ?? -1)
            pool.servers[server ?? 0].connections += 1
        }
        #expect(picked.sorted() == [0, 0, 0, 0, 1, 1])
        #expect(picked[0] == 0)
    }

    @Test("Least connections: equal servers alternate")
    func turns() {
        let pool = Pool(weights: [3, 3, 3, 3])
        var policy = LeastConnections(servers: 4, seed: 1)
        #expect(tally(100_000, servers: 4) { _ in policy.pick(from: pool) } == [25_000, 25_000, 25_000, 25_000])
    }

    @Test("Least connections: the first servers of workers are evenly distributed")
    func seeds() {
        let pool = Pool(weights: [1, 1, 1])
        let counts = tally(9_000, servers: 3) { worker in
            var policy = LeastConnections(servers: 3, seed: UInt64(worker))
            return policy.pick(from: pool)
        }
        for count in counts { #expect(isByChance(count, share: 1 / 3, of: 9_000)) }
    }

    @Test("Random: an idle pool is used by weight", arguments: weights)
    func randomByWeight(weights: [Int]) {
        let pool = Pool(weights: weights)
        var policy = RandomOfTwo(seed: 5)
        let counts = tally(100_000, servers: weights.count) { _ in policy.pick(from: pool) }
        let total = Double(weights.reduce(0, +))
        for (count, weight) in zip(counts, weights) {
            #expect(isByChance(count, share: Double(weight) / total, of: 100_000), "\(counts)")
        }
    }

    @Test("Random: two different servers are compared, so the most loaded is never picked")
    func neverTheFullest() {
        var pool = Pool(weights: [1, 1, 1, 1])
        pool.servers[2].connections = 1
        var policy = RandomOfTwo(seed: 5)
        let counts = tally(100_000, servers: 4) { _ in policy.pick(from: pool) }
        #expect(counts[2] == 0)
        for server in [0, 1, 3] { #expect(isByChance(counts[server], share: 1 / 3, of: 100_000)) }
    }

    @Test("Random: two choices keep a hundred servers within a few connections of each other")
    func twoChoices() {
        var pool = Pool(weights: [Int](repeating: 1, count: 100))
        var policy = RandomOfTwo(seed: 5)
        for _ in 0..<10_000 {
            guard let server = policy.pick(from: pool) else { continue }
            pool.servers[server].connections += 1
        }
        let connections = pool.servers.map(\.connections)
        #expect(connections.reduce(0, +) == 10_000)
        // The maximum is log(log 100) / log 2 = 2.2 above the mean, plus a constant. With one choice instead of two it
        // would be 25.
        #expect((connections.max() ?? 0) <= 104)
    }

    @Test("Fastest: all but the exploration share goes to the server with the shortest connect time")
    func fastest() {
        var pool = Pool(weights: [1, 1, 1])
        for (server, time) in [4_000_000, 1_000_000, 2_000_000].enumerated() { pool.servers[server].connectTime = time }
        var policy = Fastest(servers: 3, seed: 5)
        let counts = tally(100_000, servers: 3) { _ in policy.pick(from: pool) }
        let explored = 1 / Double(Fastest.explorationInterval) / 3
        #expect(isByChance(counts[0], share: explored, of: 100_000))
        #expect(isByChance(counts[1], share: 1 - 2 * explored, of: 100_000))
        #expect(isByChance(counts[2], share: explored, of: 100_000))
    }

    /// Sequential connections, each closed before the next: every server is idle at each pick.
    @Test(
        "Fastest: servers whose latency differs by less than 1 ms or 10 % take turns",
        arguments: [
            [30_000, 90_000, 45_000], [700_000, 1_600_000, 800_000], [100_000_000, 105_000_000, 109_000_000],
        ]
    )
    func fastestTies(times: [Int]) {
        var pool = Pool(weights: [1, 1, 1])
        for (server, time) in times.enumerated() { pool.servers[server].connectTime = time }
        var policy = Fastest(servers: 3, seed: 5)
        let counts = tally(3_000, servers: 3) { _ in policy.pick(from: pool) }
        for count in counts { #expect(abs(count - 1_000) <= 50, "\(counts)") }
    }

    /// One connection per second, and a server that once took 2 ms: the exploration share alone would measure it again
    /// after a minute and a half.
    @Test("Fastest: a peak is forgotten also while the server is not measured")
    func fastestAfterPeak() {
        var pool = Pool(weights: [1, 1, 1])
        for server in 0..<3 { pool.servers[server].connectTime = server == 1 ? 2_000_000 : 100_000 }
        var policy = Fastest(servers: 3, seed: 5)
        var picks: [Int] = []
        for _ in 0..<20 {
            for server in 0..<3 { pool.servers[server].latencyAge += 1_000_000_000 }
            guard let server = policy.pick(from: pool) else { continue }
            picks.append(server)
            pool.servers[server].connectTime = PeakAverage.updated(
                pool.servers[server].connectTime,
                with: 100_000,
                after: pool.servers[server].latencyAge
            )
            pool.servers[server].latencyAge = 0
        }
        #expect(!picks.prefix(6).contains(1), "\(picks)")
        #expect(picks.suffix(12).count { $0 == 1 } >= 3, "\(picks)")
    }

    @Test("Fastest: a server that is slower and is measured regularly stays avoided")
    func fastestMeasured() {
        var pool = Pool(weights: [1, 1])
        for (server, time) in [100_000, 100_000_000].enumerated() {
            pool.servers[server].connectTime = time
            pool.servers[server].latencyAge = 10_000_000_000
        }
        var policy = Fastest(servers: 2, seed: 5)
        let counts = tally(10_000, servers: 2) { _ in policy.pick(from: pool) }
        #expect(isByChance(counts[1], share: 1 / 64, of: 10_000), "\(counts)")
    }

    @Test(
        "Fastest: a server that is slower by 1 ms and 10 % gets only the exploration share",
        arguments: [[30_000, 1_030_000], [100_000_000, 110_000_000]]
    )
    func fastestDifference(times: [Int]) {
        var pool = Pool(weights: [1, 1])
        for (server, time) in times.enumerated() { pool.servers[server].connectTime = time }
        var policy = Fastest(servers: 2, seed: 5)
        let counts = tally(10_000, servers: 2) { _ in policy.pick(from: pool) }
        #expect(isByChance(counts[1], share: 0.5 / Double(Fastest.explorationInterval), of: 10_000))
    }

    @Test("Fastest: the tolerance is configurable, the 10 % are not", arguments: [0, 50_000])
    func fastestTolerance(tolerance: Int) {
        for (times, isTie) in [([30_000, 90_000], false), ([1_000_000, 1_090_000], true)] {
            var pool = Pool(weights: [1, 1])
            for (server, time) in times.enumerated() { pool.servers[server].connectTime = time }
            var policy = Fastest(servers: 2, seed: 5, tolerance: tolerance)
            let counts = tally(10_000, servers: 2) { _ in policy.pick(from: pool) }
            let explored = 0.5 / Double(Fastest.explorationInterval)
            #expect(isTie ? abs(counts[1] - 5_000) < 200 : isByChance(counts[1], share: explored, of: 10_000))
        }
    }

    @Test("Fastest: a slow server is not starved")
    func noStarving() {
        var pool = Pool(weights: [256, 1])
        pool.servers[0].connectTime = 1
        pool.servers[1].connectTime = .max
        var policy = Fastest(servers: 2, seed: 5)
        let counts = tally(100_000, servers: 2) { _ in policy.pick(from: pool) }
        #expect(isByChance(counts[1], share: 1 / 257 / Double(Fastest.explorationInterval), of: 100_000))
        #expect(counts[1] > 0)
    }

    @Test("Fastest: connections spread until connect time × connections is equal by weight")
    func fastestLevels() {
        var pool = Pool(weights: [1, 1, 2])
        for (server, time) in [1_000_000, 2_000_000, 2_000_000].enumerated() { pool.servers[server].connectTime = time }
        var policy = Fastest(servers: 3, seed: 5)
        for _ in 0..<500 {
            guard let server = policy.pick(from: pool) else { continue }
            pool.servers[server].connections += 1
        }
        let connections = pool.servers.map(\.connections)
        #expect(connections.reduce(0, +) == 500)
        for (count, share) in zip(connections, [0.4, 0.2, 0.4]) { #expect(abs(Double(count) - 500 * share) <= 3) }
    }

    @Test("Fastest: an unmeasured server receives one connection until its connect time is known")
    func unknown() {
        var pool = Pool(weights: [1, 1])
        pool.servers[0].connectTime = 5_000_000
        pool.servers[0].connections = 3
        var policy = Fastest(servers: 2, seed: 6)
        #expect(policy.pick(from: pool) == 1)
        pool.servers[1].connections = 1
        let counts = tally(10_000, servers: 2) { _ in policy.pick(from: pool) }
        #expect(isByChance(counts[1], share: 0.5 / Double(Fastest.explorationInterval), of: 10_000))
    }

    @Test("First: the first available server is picked")
    func first() {
        var pool = Pool(weights: [1, 5, 9])
        let policy = First()
        #expect(tally(100_000, servers: 3) { _ in policy.pick(from: pool) } == [100_000, 0, 0])
        pool.servers[0].isAvailable = false
        #expect(policy.pick(from: pool) == 1)
        pool.servers[1].weight = 0
        #expect(policy.pick(from: pool) == 2)
        pool.servers[0].isAvailable = true
        #expect(policy.pick(from: pool) == 0)
        pool.servers[0].isBackup = true
        #expect(policy.pick(from: pool) == 2)
    }
}
