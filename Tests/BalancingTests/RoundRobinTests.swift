import Randomness
import Testing

@testable import Balancing

@Suite("Round-robin")
struct RoundRobinTests {
    private func picks(_ count: Int, of weights: [Int], seed: UInt64 = 0) -> [Int] {
        let pool = Pool(weights: weights)
        var policy = RoundRobin(servers: weights.count, seed: seed)
        return (0..<count).compactMap { _ in policy.pick(from: pool) }
    }

    @Test("Equal servers alternate in order, regardless of their weight", arguments: [1, 7, 256, 1 << 20])
    func equals(weight: Int) {
        let picked = picks(500, of: [weight, weight, weight, weight, weight])
        #expect(picked.count == 500)
        for (one, next) in zip(picked, picked.dropFirst()) { #expect(next == (one + 1) % 5) }
    }

    @Test("Picks of a heavy server are interleaved with those of light servers")
    func smooth() {
        // Wherever the seed begins, never all five turns in a row, and never both of the lighter servers in a row.
        for seed in 0..<50 as Range<UInt64> {
            let picked = picks(14, of: [5, 1, 1], seed: seed).map(String.init).joined()
            #expect(!picked.contains("00000") && !picked.contains("12") && !picked.contains("21"), "\(picked)")
        }
        let picked = picks(20, of: [5, 1, 1, 1, 1, 1]).map { $0 == 0 ? "a" : "b" }.joined()
        #expect(!picked.contains("aaa") && !picked.contains("bbb"), "\(picked)")
    }

    static let weights: [[Int]] = [
        [1], [1, 1, 1], [5, 1, 1], [3, 2, 1], [256, 1], [7, 5, 3, 2, 1], [256, 256, 512], [100, 99, 98, 1],
    ]

    @Test("Each window of one full cycle has the exact shares", arguments: weights)
    func exactShares(weights: [Int]) {
        let cycle = weights.reduce(0, +)
        for seed in 0..<5 as Range<UInt64> {
            let picked = picks(3 * cycle, of: weights, seed: seed)
            expectExactShares(picked, weights)
        }
    }

    /// Checks every window of one cycle's length, wherever it begins.
    private func expectExactShares(_ picked: [Int], _ weights: [Int], _ comment: Comment? = nil) {
        let cycle = weights.reduce(0, +)
        var counts = [Int](repeating: 0, count: weights.count)
        var wrong = 0
        for (number, server) in picked.enumerated() {
            counts[server] += 1
            if number >= cycle { counts[picked[number - cycle]] -= 1 }
            if number >= cycle - 1, counts != weights { wrong += 1 }
        }
        #expect(wrong == 0 && picked.count >= cycle, comment)
    }

    @Test(
        "100,000 picks: each server stays within two picks plus its share of a round",
        arguments: weights
    )
    func distribution(weights: [Int]) {
        // In time t a server has between t·w - 1 and t·w + 1 turns, and the total is the number of picks. So t is
        // known up to an error of count / total, and a server's turns up to 1 plus its share of that.
        let total = Double(weights.reduce(0, +))
        let counts = picks(100_000, of: weights, seed: 9).reduce(into: [Int](repeating: 0, count: weights.count)) {
            $0[$1] += 1
        }
        #expect(counts.reduce(0, +) == 100_000)
        for (count, weight) in zip(counts, weights) {
            let share = Double(weight) / total
            #expect(abs(Double(count) - 100_000 * share) <= 1 + Double(weights.count) * share)
        }
    }

    @Test("After any changes of availability the shares are exact immediately", arguments: 0..<100 as Range<UInt64>)
    func comingAndGoing(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let weights = (0..<(2 + random.next(below: 6))).map { _ in 1 + random.next(below: 9) }
        var pool = Pool(weights: weights)
        var policy = RoundRobin(servers: weights.count, seed: seed)
        for _ in 0..<20 {
            for server in pool.servers.indices { pool.servers[server].isAvailable = random.next(below: 3) > 0 }
            for _ in 0..<random.next(below: 40) { _ = policy.pick(from: pool) }
        }
        for server in pool.servers.indices {
            pool.servers[server].isAvailable = server == 0 || random.next(below: 2) == 0
        }
        let left = pool.servers.map { $0.isCandidate ? $0.weight : 0 }
        expectExactShares((0..<2 * left.reduce(0, +)).compactMap { _ in policy.pick(from: pool) }, left)
    }

    @Test("After any change of weights the shares are exact immediately", arguments: 0..<100 as Range<UInt64>)
    func changedWeights(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var pool = Pool(weights: [256, 1, 1, 64])
        var policy = RoundRobin(servers: 4, seed: seed)
        for _ in 0..<20 {
            for server in pool.servers.indices { pool.servers[server].weight = random.next(below: 50) }
            for _ in 0..<random.next(below: 40) { _ = policy.pick(from: pool) }
        }
        pool.servers[0].weight = 3
        let weights = pool.servers.map(\.weight)
        expectExactShares((0..<2 * weights.reduce(0, +)).compactMap { _ in policy.pick(from: pool) }, weights)
    }

    @Test("When a heavy server leaves, two light servers alternate immediately", arguments: 0..<50 as Range<UInt64>)
    func heavyOneLeaves(seed: UInt64) {
        var pool = Pool(weights: [256, 1, 1])
        var policy = RoundRobin(servers: 3, seed: seed)
        for _ in 0..<Int(100 + seed * 7) { _ = policy.pick(from: pool) }
        pool.servers[0].isAvailable = false
        expectExactShares((0..<10).compactMap { _ in policy.pick(from: pool) }, [0, 1, 1])
    }

    @Test("A server that returns is not flooded")
    func comingBack() {
        var pool = Pool(weights: [1, 1, 1, 1])
        var policy = RoundRobin(servers: 4, seed: 3)
        pool.servers[2].isAvailable = false
        for _ in 0..<10_000 { _ = policy.pick(from: pool) }
        pool.servers[2].isAvailable = true
        expectExactShares((0..<40).compactMap { _ in policy.pick(from: pool) }, [1, 1, 1, 1])
    }

    @Test("A weight that grows with each pick receives its share throughout", arguments: 0..<20 as Range<UInt64>)
    func slowStart(seed: UInt64) {
        var pool = Pool(weights: [EffectiveWeight.of(1), EffectiveWeight.of(1), 1])
        var policy = RoundRobin(servers: 3, seed: seed)
        let picks = 2560
        var expected = 0.0
        var count = 0
        for number in 0..<picks {
            pool.servers[2].weight = EffectiveWeight.of(1, factor: Double(number) / Double(picks))
            expected += Double(pool.servers[2].weight) / Double(pool.totalWeight)
            if policy.pick(from: pool) == 2 { count += 1 }
        }
        // A server's turns depend on its present weight, so a change can skip a turn or repeat one. The accepted
        // deviation is that of independent draws.
        #expect(isByChance(count, share: expected / Double(picks), of: picks), "\(count) for \(expected)")
    }

    @Test("The first servers of workers are evenly distributed")
    func seeds() {
        let pool = Pool(weights: [2, 2, 2, 2, 2])
        let counts = tally(10_000, servers: 5) { worker in
            var policy = RoundRobin(servers: 5, seed: UInt64(worker))
            return policy.pick(from: pool)
        }
        for count in counts { #expect(isByChance(count, share: 0.2, of: 10_000)) }
    }

    @Test("The next turn is strictly after the given time", arguments: 0..<200 as Range<UInt64>)
    func firstTurn(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let weight = 1 + random.next(below: 20)
        let phase = random.next(below: 2) == 0 ? 0 : UInt32(truncatingIfNeeded: random.next())
        // All turns of the first cycle, and the first one of the next.
        let turns = (0..<UInt64(weight)).map { ($0 << 32 + UInt64(phase)) / UInt64(weight) }
        let all = turns + [RoundRobin.cycle + turns[0]]
        let moments = turns + turns.map { $0 &- 1 } + (0..<20).map { _ in random.next() >> 32 }
        for moment in moments where moment < RoundRobin.cycle {
            var found = RoundRobin.Turns(phase: phase)
            found.schedule(after: moment, weight: weight)
            #expect(found.next == all.first { $0 > moment })
        }
    }

    @Test("Virtual time that wraps around does not change picks")
    func wrapping() {
        let pool = Pool(weights: [3, 2, 1])
        var early = RoundRobin(servers: 3, seed: 5)
        var late = RoundRobin(servers: 3, seed: 5, beginningAt: UInt64.max / RoundRobin.cycle - 2)
        for _ in 0..<60 { #expect(early.pick(from: pool) == late.pick(from: pool)) }
    }

    @Test(
        "A server that was unavailable for half of virtual time or more is picked again",
        arguments: [1, 2, 3] as [UInt64]
    )
    func longAway(quarters: UInt64) {
        var pool = Pool(weights: [1, 1])
        var policy = RoundRobin(servers: 2, seed: 5)
        _ = policy.pick(from: pool)
        _ = policy.pick(from: pool)
        pool.servers[1].isAvailable = false
        // Simulates that number of picks.
        policy.now &+= quarters << 62
        _ = policy.pick(from: pool)
        pool.servers[1].isAvailable = true
        expectExactShares((0..<20).compactMap { _ in policy.pick(from: pool) }, [1, 1])
    }
}
