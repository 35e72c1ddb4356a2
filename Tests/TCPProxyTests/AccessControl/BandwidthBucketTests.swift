import Randomness
import Sockets
import Testing

@testable import TCPProxy

@Suite("Bandwidth bucket")
struct BandwidthBucketTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)

    @Test("the burst is available immediately, then bytes accrue with time")
    func paces() throws {
        var bandwidth = try #require(BandwidthBucket(bytesPerSecond: 1_000_000, burst: 64_000))
        #expect(bandwidth.allowance(at: Self.start) == 64_000)
        bandwidth.spend(64_000, at: Self.start)
        #expect(bandwidth.allowance(at: Self.start) == 0)
        #expect(bandwidth.allowance(at: Self.start + .milliseconds(1)) == 1000)
        #expect(bandwidth.nextMoment(for: 16_000, at: Self.start) == Self.start + .milliseconds(16))
        #expect(bandwidth.nextMoment(for: 16_000, at: Self.start + .milliseconds(20)) == Self.start + .milliseconds(20))
        // More than the burst is never available at one time.
        #expect(bandwidth.nextMoment(for: 1 << 40, at: Self.start) == Self.start + .milliseconds(64))
        #expect(bandwidth.allowance(at: Self.start + .seconds(3600)) == 64_000)
    }

    @Test("the default burst is the bytes of 100 ms, but at least one segment and at most the maximum")
    func defaultBurst() throws {
        for (rate, burst) in [
            (1, 1460), (14_599, 1460), (14_610, 1461), (1_000_000, 100_000),
            (BandwidthBucket.maxRate, BandwidthBucket.maxBurst),
        ] {
            let bandwidth = try #require(BandwidthBucket(bytesPerSecond: rate))
            #expect(bandwidth.allowance(at: Self.start) == burst)
        }
    }

    @Test("an overdraft delays later bytes")
    func debt() throws {
        var bandwidth = try #require(BandwidthBucket(bytesPerSecond: 1000, burst: 1000))
        bandwidth.spend(5000, at: Self.start)
        #expect(bandwidth.allowance(at: Self.start + .seconds(4)) == 0)
        #expect(bandwidth.nextMoment(for: 1, at: Self.start) == Self.start + .milliseconds(4001))
        #expect(bandwidth.allowance(at: Self.start + .milliseconds(4001)) == 1)
        bandwidth.spend(0, at: Self.start)
        bandwidth.spend(-1, at: Self.start)
        #expect(bandwidth.allowance(at: Self.start + .milliseconds(4001)) == 1)
    }

    @Test(
        "the wanted bytes are available at the returned time, and never more than burst plus rate times time",
        arguments: UInt64(0)..<30
    )
    func neverMore(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let rate = [1, 7, 999, 65_536, 10_000_019, 1_250_000_000, BandwidthBucket.maxRate].randomElement(
            using: &generator
        )!
        let burst = Int.random(in: 1...min(BandwidthBucket.maxBurst, rate * 86_400), using: &generator)
        var bandwidth = try #require(BandwidthBucket(bytesPerSecond: rate, burst: burst))
        var now = Self.start
        var sent = 0
        for _ in 0..<1000 {
            let wanted = min(burst, Int.random(in: 1...max(1, burst / 3), using: &generator))
            now = bandwidth.nextMoment(for: wanted, at: now)
            let allowed = bandwidth.allowance(at: now)
            #expect(allowed >= wanted)
            #expect(allowed <= burst)
            let piece = Int.random(in: 1...allowed, using: &generator)
            bandwidth.spend(piece, at: now)
            sent += piece
            let worth = Double(burst) + Double(now.nanoseconds - Self.start.nanoseconds) * Double(rate) / 1e9
            #expect(Double(sent) <= worth * (1 + 1e-9) + 1)
        }
    }

    @Test("the wanted bytes are not available one nanosecond earlier")
    func notLater() throws {
        for (rate, wanted) in [(1000, 1), (1000, 999), (333, 10), (1_000_000_000, 5000)] {
            var bandwidth = try #require(BandwidthBucket(bytesPerSecond: rate, burst: 10_000))
            bandwidth.spend(10_000, at: Self.start)
            let moment = bandwidth.nextMoment(for: wanted, at: Self.start)
            #expect(bandwidth.allowance(at: moment) >= wanted)
            #expect(bandwidth.allowance(at: Instant(nanoseconds: moment.nanoseconds - 1)) < wanted)
        }
    }

    @Test("limits outside their ranges are rejected, and the largest do not overflow")
    func ranges() throws {
        #expect(BandwidthBucket(bytesPerSecond: 0, burst: 1) == nil)
        #expect(BandwidthBucket(bytesPerSecond: BandwidthBucket.maxRate + 1, burst: 1) == nil)
        #expect(BandwidthBucket(bytesPerSecond: 1, burst: 0) == nil)
        #expect(BandwidthBucket(bytesPerSecond: 1000, burst: BandwidthBucket.maxBurst + 1) == nil)
        #expect(BandwidthBucket(bytesPerSecond: 1, burst: 86_400) != nil)
        #expect(BandwidthBucket(bytesPerSecond: 1, burst: 86_401) == nil)
        var largest = try #require(
            BandwidthBucket(bytesPerSecond: BandwidthBucket.maxRate, burst: BandwidthBucket.maxBurst)
        )
        largest.spend(.max, at: Self.start)
        #expect(largest.allowance(at: Self.start + .nanoseconds(1)) >= 0)
        var slow = try #require(BandwidthBucket(bytesPerSecond: 1, burst: 1))
        for _ in 0..<100 { slow.spend(.max, at: Instant(nanoseconds: .max - 1)) }
        #expect(slow.allowance(at: Self.start) == 0)
        #expect(slow.nextMoment(for: 1, at: Self.start) > Self.start)
    }
}
