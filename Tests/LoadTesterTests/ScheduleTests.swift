import Sockets
import Testing

@testable import LoadTester

@Suite("Schedule")
struct ScheduleTests {
    private func all(_ schedule: Schedule, until end: UInt64) -> [UInt64] {
        var schedule = schedule
        var times: [UInt64] = []
        while let time = schedule.next(), time < end { times.append(time) }
        return times
    }

    @Test("A constant rate is exact, even if its interval is not a whole number of nanoseconds")
    func constant() {
        #expect(
            all(Schedule(.constant(1000), arrivals: .constant), until: .milliseconds(5))
                == [0, 1, 2, 3, 4].map { .milliseconds($0) }
        )
        let thirds = all(Schedule(.constant(3), arrivals: .constant), until: .seconds(1000) + 1)
        #expect(thirds.count == 3001)
        // The error does not accumulate.
        #expect(thirds[1] == 333_333_333)
        #expect(thirds[3000] == .seconds(1000))
        let slow = all(Schedule(.constant(0.1), arrivals: .constant), until: .seconds(31))
        #expect(slow == [0, 10, 20, 30].map { .seconds($0) })
    }

    @Test("Threads divide a schedule without gap or overlap")
    func shares() {
        let whole = all(Schedule(.constant(777), arrivals: .constant), until: .seconds(3))
        let parts = (0..<3).flatMap {
            all(Schedule(.constant(777), arrivals: .constant, share: ($0, 3)), until: .seconds(3))
        }
        #expect(parts.sorted() == whole)
    }

    @Test("On a ramp from zero, the nth request is due at sqrt(2 n / slope)")
    func ramp() {
        // 0 to 1000/s over 10 s: a slope of 100/s².
        let times = all(
            Schedule(.ramp(from: 0, to: 1000, over: .seconds(10)), arrivals: .constant),
            until: .seconds(20)
        )
        #expect(times[0] == 0)
        #expect(times[2] == .milliseconds(200))
        #expect(times[50] == .seconds(1))
        #expect(times[200] == .seconds(2))
        #expect(times[5000] == .seconds(10))
        // Then the rate is constant.
        #expect(times[5001] == .milliseconds(10_001))
        #expect(times.count == 5000 + 10_000)
    }

    @Test("A ramp down to zero ends when its rate does")
    func downwards() {
        let times = all(Schedule(.ramp(from: 100, to: 0, over: .seconds(10)), arrivals: .constant), until: .max)
        #expect(times.count == 500)
        #expect(times.last! < .seconds(10))
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test("A warm-up runs at the first rate, before the ramp")
    func warmUp() {
        let profile = LoadTest.RateProfile.ramp(from: 10, to: 110, over: .seconds(10)).after(.seconds(2))
        let times = all(Schedule(profile, arrivals: .constant), until: .seconds(12))
        #expect(times.prefix { $0 < .seconds(2) }.count == 20)
        #expect(times.count == 20 + 600)
    }

    @Test("Poisson arrivals have the given rate and random gaps, and are the same for the same seed")
    func poisson() {
        let times = all(Schedule(.constant(1000), arrivals: .poisson, seed: 42), until: .seconds(100))
        #expect(times == all(Schedule(.constant(1000), arrivals: .poisson, seed: 42), until: .seconds(100)))
        #expect(times != all(Schedule(.constant(1000), arrivals: .poisson, seed: 43), until: .seconds(100)))
        // 100,000 expected, with a standard deviation of 316.
        #expect(abs(times.count - 100_000) < 4 * 316)
        let gaps = zip(times, times.dropFirst()).map { Double($1 - $0) / 1e6 }
        // An exponential distribution: its mean equals its standard deviation, and 1/e of it lies beyond the mean.
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let deviation = (gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)).squareRoot()
        #expect(abs(mean - 1) < 0.02)
        #expect(abs(deviation - 1) < 0.02)
        #expect(abs(Double(gaps.count { $0 > 1 }) / Double(gaps.count) - 0.3679) < 0.01)
    }

    @Test("Poisson arrivals on a ramp follow the ramp")
    func poissonRamp() {
        let profile = LoadTest.RateProfile.ramp(from: 0, to: 10_000, over: .seconds(10))
        let times = all(Schedule(profile, arrivals: .poisson, seed: 1), until: .seconds(10))
        // Halfway through the ramp, one quarter of all requests have been due.
        #expect(abs(times.count - 50_000) < 4 * 224)
        #expect(abs(times.prefix { $0 < .seconds(5) }.count - 12_500) < 4 * 112)
    }

    @Test("A queue keeps its order and its limit after wrapping around")
    func queue() {
        var queue = DueQueue(limit: 3)
        var next: UInt64 = 0
        var expected: UInt64 = 0
        for round in 0..<100 {
            while queue.append(.init(nanoseconds: next)) { next += 1 }
            let count = queue.count
            #expect(count == 3)
            for _ in 0...(round % 3) {
                let first = queue.popFirst()
                #expect(first?.nanoseconds == expected)
                expected += 1
            }
        }
        while queue.popFirst() != nil { expected += 1 }
        #expect(expected == next)
        let isEmpty = queue.isEmpty
        #expect(isEmpty)
    }
}
