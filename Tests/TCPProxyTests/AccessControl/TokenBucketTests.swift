import Randomness
import Sockets
import Testing

@testable import TCPProxy

@Suite("Token bucket")
struct TokenBucketTests {
    /// A monotonic clock does not begin at zero.
    private static let start = Instant(nanoseconds: 1_000_000_000_000)

    private func rate(_ tokens: Int, per span: Duration = .seconds(1), burst: Int) throws -> TokenRate {
        try #require(TokenRate(tokens, per: span, burst: burst))
    }

    @Test("the burst is available immediately, then one token per interval")
    func paces() throws {
        let rate = try rate(10, burst: 3)
        let bucket = HeldBucket()
        #expect(bucket.isFull(at: Self.start))
        for _ in 0..<3 { #expect(bucket.take(rate, at: Self.start)) }
        #expect(!bucket.take(rate, at: Self.start))
        #expect(!bucket.take(rate, at: Self.start + .nanoseconds(99_999_999)))
        #expect(bucket.take(rate, at: Self.start + .milliseconds(100)))
        #expect(!bucket.take(rate, at: Self.start + .milliseconds(199)))
        #expect(!bucket.isFull(at: Self.start + .nanoseconds(399_999_999)))
        #expect(bucket.isFull(at: Self.start + .milliseconds(400)))
    }

    @Test("a refusal takes no token")
    func refusal() throws {
        let rate = try rate(1, per: .seconds(60), burst: 1)
        let bucket = HeldBucket()
        #expect(bucket.take(rate, at: Self.start))
        let after = bucket.bucket
        for _ in 0..<1000 { #expect(!bucket.take(rate, at: Self.start + .seconds(59))) }
        #expect(bucket.bucket == after)
        #expect(bucket.take(rate, at: Self.start + .seconds(60)))
    }

    @Test("an idle bucket fills to the burst and no further")
    func rest() throws {
        let rate = try rate(1000, burst: 5)
        let bucket = HeldBucket()
        for _ in 0..<5 { _ = bucket.take(rate, at: Self.start) }
        let later = Self.start + .seconds(86_400)
        #expect((0..<10).filter { _ in bucket.take(rate, at: later) }.count == 5)
    }

    @Test("no time span yields more than the burst plus the tokens accrued in it", arguments: UInt64(0)..<20)
    func neverMore(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let tokens = Int.random(in: 1...1_000_000, using: &generator)
        let burst = Int.random(in: 1...50, using: &generator)
        let rate = try rate(tokens, burst: burst)
        let interval = 1_000_000_000 / UInt64(tokens)
        let bucket = HeldBucket()
        var now = Self.start
        var taken: [Instant] = []
        for _ in 0..<500 {
            now.nanoseconds += UInt64.random(in: 0...(2 * interval), using: &generator)
            if bucket.take(rate, at: now) { taken.append(now) }
        }
        var most = 0.0
        for (first, start) in taken.enumerated() {
            for (last, end) in taken.enumerated().dropFirst(first) {
                let span = Double(end.nanoseconds - start.nanoseconds)
                most = max(most, Double(last - first + 1) - span * Double(tokens) / 1e9)
            }
        }
        #expect(most <= Double(burst) + 1e-6)
        #expect(taken.count >= burst)
    }

    @Test("after a change of rate, the bucket refills from empty at the new rate")
    func newRate() throws {
        let slow = try rate(1, per: .seconds(3600), burst: 10)
        let fast = try rate(10, burst: 2)
        let bucket = HeldBucket()
        for _ in 0..<10 { #expect(bucket.take(slow, at: Self.start)) }
        #expect(!bucket.take(fast, at: Self.start))
        #expect(!bucket.take(fast, at: Self.start + .milliseconds(99)))
        #expect(bucket.take(fast, at: Self.start + .milliseconds(100)))
        #expect(!bucket.take(fast, at: Self.start + .milliseconds(100)))

        let shared = SharedTokenBucket()
        defer { shared.free() }
        for _ in 0..<10 { #expect(shared.take(slow, at: Self.start)) }
        #expect(!shared.take(fast, at: Self.start))
        #expect(shared.take(fast, at: Self.start + .milliseconds(100)))
    }

    @Test("the largest instant refuses without a trap")
    func endOfTime() throws {
        let rate = try rate(1, per: .seconds(86_400), burst: 10)
        let bucket = HeldBucket()
        #expect(!bucket.take(rate, at: Instant(nanoseconds: .max)))
        #expect(bucket.take(rate, at: Instant(nanoseconds: 0)))
    }

    @Test("rates outside their ranges are rejected")
    func ranges() {
        #expect(TokenRate(0, burst: 1) == nil)
        #expect(TokenRate(-1, burst: 1) == nil)
        #expect(TokenRate(TokenRate.maxTokens + 1, burst: 1) == nil)
        #expect(TokenRate(1, burst: 0) == nil)
        #expect(TokenRate(1, burst: TokenRate.maxBurst + 1) == nil)
        #expect(TokenRate(1, per: .zero, burst: 1) == nil)
        #expect(TokenRate(1, per: TokenRate.maxSpan + .nanoseconds(1), burst: 1) == nil)
        #expect(TokenRate(1, per: .seconds(10), burst: 100_001) == nil)
        #expect(TokenRate(1, per: .seconds(10), burst: 100_000) != nil)
        #expect(TokenRate(TokenRate.maxTokens, per: .nanoseconds(1), burst: TokenRate.maxBurst) != nil)
        #expect(TokenRate(1, per: TokenRate.maxSpan, burst: TokenRate.maxBurst) == nil)
    }

    @Test("four threads together get exactly the tokens of one bucket")
    func shared() async throws {
        let rate = try rate(1, per: .seconds(60), burst: 1000)
        let bucket = SharedTokenBucket()
        defer { bucket.free() }
        let taken = try await onThreads(4) { _ in
            var taken = 0
            for _ in 0..<1000 where bucket.take(rate, at: Self.start) { taken += 1 }
            return taken
        }
        #expect(taken.reduce(0, +) == 1000)
        #expect(!bucket.take(rate, at: Self.start + .seconds(59)))
        #expect(bucket.take(rate, at: Self.start + .seconds(60)))
    }
}

/// A bucket in a class, so that an expectation can mutate it.
private final class HeldBucket {
    private(set) var bucket = TokenBucket()

    func take(_ rate: TokenRate, at now: Instant) -> Bool { bucket.take(rate, at: now) }
    func isFull(at now: Instant) -> Bool { bucket.isFull(at: now) }
}
