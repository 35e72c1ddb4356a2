import Randomness
import Testing

@testable import Balancing

private let second = 1_000_000_000

@Suite("Active health checks")
struct HealthCounterTests {
    /// Returns the effect of each result: input `+` a pass, `-` a failure; output `U` up, `D` down, `.` no change.
    private func transcript(_ results: String, _ counter: HealthCounter) -> String {
        var counter = counter
        return String(
            results.map { result in
                switch counter.observe(passed: result == "+") {
                case .up: "U"
                case .down: "D"
                case .unknown, nil: "."
                }
            }
        )
    }

    @Test("A server is down after N consecutive failures and up after N consecutive passes")
    func riseAndFall() {
        let counter = HealthCounter(rise: 2, fall: 3, initially: .up)
        #expect(transcript("+---+-++", counter) == "...D...U")
        #expect(transcript("--+--+---", counter) == "........D")
        #expect(transcript("---+-+-+++", counter) == "..D.....U.")
    }

    @Test("A server that starts down must reach the rise count")
    func initiallyDown() {
        #expect(transcript("+-++", HealthCounter(rise: 2, fall: 3, initially: .down)) == "...U")
        #expect(!HealthCounter(initially: .down).takesConnections)
    }

    @Test("An unknown server receives connections; the first result decides its state")
    func unknown() {
        let counter = HealthCounter(rise: 2, fall: 3)
        #expect(counter.state == .unknown && counter.takesConnections)
        #expect(transcript("-", counter) == "D")
        #expect(transcript("+--", counter) == "U..")
        #expect(transcript("+---", counter) == "U..D")
        #expect(transcript("-++", counter) == "D.U")
    }

    @Test("A rise or fall below 1 counts as 1")
    func leastLimits() {
        #expect(transcript("-+-", HealthCounter(rise: 0, fall: -5, initially: .up)) == "DUD")
    }

    @Test("Progress toward a state change is readable")
    func contrary() {
        var counter = HealthCounter(rise: 2, fall: 3, initially: .up)
        _ = counter.observe(passed: false)
        _ = counter.observe(passed: false)
        #expect(counter.contrary == 2 && counter.takesConnections)
        _ = counter.observe(passed: false)
        #expect(counter.contrary == 0 && !counter.takesConnections)
    }
}

@Suite("Passive health checks: connection failures")
struct FailureWindowTests {
    @Test("N consecutive failures eject; a success resets the count")
    func consecutive() {
        var window = FailureWindow(.init(consecutive: 3))
        let heard = [true, true, false, true, true, true].map { window.observe(failed: $0, at: 0) }
        #expect(heard == [nil, nil, nil, nil, nil, .consecutiveFailures(3)])
        // The cause has been reported once.
        #expect(window.observe(failed: true, at: 0) == nil)
        #expect(window.consecutive == 1)
    }

    @Test("A failure rate ejects after the minimum number of attempts")
    func share() {
        var window = FailureWindow(.init(consecutive: nil, percent: 50, minAttempts: 6))
        let heard = [true, false, true, false, false, true, true].map { window.observe(failed: $0, at: 0) }
        #expect(heard == [nil, nil, nil, nil, nil, .failureRate(failures: 3, attempts: 6), nil])
    }

    @Test("A success does not eject, even if it completes the minimum number of attempts")
    func success() {
        var window = FailureWindow(.init(consecutive: nil, percent: 50, minAttempts: 4))
        for failed in [true, true, true] { #expect(window.observe(failed: failed, at: 0) == nil) }
        #expect(window.observe(failed: false, at: 0) == nil)
        #expect(window.observe(failed: true, at: 0) == .failureRate(failures: 4, attempts: 5))
    }

    @Test("Results older than the window do not count; results within seven eighths of it do")
    func slides() {
        let limits = FailureWindow.Limits(consecutive: nil, percent: 100, minAttempts: 3, window: 8 * second)
        for (third, isEjected) in [
            (7 * second - 1, true), (7 * second, true), (8 * second, false), (90 * second, false),
        ] {
            var window = FailureWindow(limits)
            #expect(window.observe(failed: true, at: 0) == nil)
            #expect(window.observe(failed: true, at: second / 2) == nil)
            #expect((window.observe(failed: true, at: third) != nil) == isEjected, "at \(third)")
        }
        // Successes expire from the window, too.
        var window = FailureWindow(limits)
        #expect(window.observe(failed: false, at: 0) == nil)
        for moment in [1, 2, 3] { #expect(window.observe(failed: true, at: moment * second) == nil) }
        #expect(window.observe(failed: true, at: 8 * second) == .failureRate(failures: 4, attempts: 4))
    }

    @Test("Sliding counts equal the sum of the eighths that they cover", arguments: 0..<50 as Range<UInt64>)
    func againstPlainCounting(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var window = FailureWindow(.init(consecutive: nil, percent: 60, minAttempts: 5, window: 8 * second))
        var history: [(eighth: Int, failed: Bool)] = []
        var now = 0
        for _ in 0..<500 {
            now += random.next(below: 2 * second)
            let failed = random.next(below: 2) == 0
            history.append((now / second, failed))
            history.removeAll { $0.eighth <= now / second - 8 }
            let failures = history.count(where: \.failed)
            let isTooMuch = failed && history.count >= 5 && failures * 100 >= history.count * 60
            let expected =
                isTooMuch ? FailureWindow.Cause.failureRate(failures: failures, attempts: history.count) : nil
            #expect(window.observe(failed: failed, at: now) == expected)
            if isTooMuch { history = [] }
        }
    }

    @Test("A clock that runs backwards or starts below zero, and an empty window, do not trap")
    func oddTimes() {
        var window = FailureWindow(.init(consecutive: nil, percent: 1, minAttempts: 3, window: 0))
        for moment in [-5, 7, 3, .min, .max, 0] { _ = window.observe(failed: false, at: moment) }
        #expect(window.observe(failed: true, at: .max) == .failureRate(failures: 1, attempts: 3))
    }
}

@Suite("Ejection")
struct EjectionTests {
    @Test("Each ejection doubles in length, up to the maximum")
    func doubling() {
        var ejection = Ejection(base: 10 * second, cap: 60 * second, forgiveness: 1000 * second)
        var now = 5 * second
        for seconds in [10, 20, 40, 60, 60] {
            #expect(ejection.eject(at: now) == now + seconds * second)
            #expect(ejection.isEjected)
            now += seconds * second
            #expect(ejection.advance(to: now - 1) == false)
            #expect(ejection.advance(to: now) == true)
            #expect(ejection.advance(to: now) == false)
            #expect(!ejection.isEjected)
        }
    }

    @Test("An ejected server is not ejected again")
    func again() {
        var ejection = Ejection(base: 10 * second, cap: 60 * second)
        #expect(ejection.eject(at: 0) == 10 * second)
        #expect(ejection.eject(at: 5 * second) == 10 * second)
        #expect(ejection.strikes == 1)
    }

    @Test("Each forgiveness interval without an ejection removes one step")
    func forgiving() {
        func lengthAfter(_ healthy: Int) -> Int {
            var ejection = Ejection(base: 10 * second, cap: 600 * second, forgiveness: 100 * second)
            var now = 0
            for _ in 0..<3 {
                now = ejection.eject(at: now)
                _ = ejection.advance(to: now)
            }
            now += healthy * second
            return (ejection.eject(at: now) - now) / second
        }
        #expect([0, 99, 100, 199, 200, 300, 10_000].map(lengthAfter) == [80, 80, 40, 40, 20, 10, 10])
    }

    @Test("Ejection counts and durations do not overflow")
    func limits() {
        var ejection = Ejection(base: .max / 2, cap: .max, forgiveness: .max)
        for _ in 0..<200 {
            #expect(ejection.eject(at: 0) > 0)
            #expect(ejection.advance(to: .max) == true)
            ejection.eject(at: .max)
            _ = ejection.advance(to: .max)
        }
        #expect(ejection.strikes == Ejection.strikeLimit)
        #expect(Ejection(base: 0, cap: -1, forgiveness: 0).cap == 1)
    }

    @Test("The ejection limit is at least one server and never all, except at 0 and 100 percent")
    func budget() {
        func limits(_ percent: Int) -> [Int] { [0, 1, 2, 3, 4, 10, 100].map(EjectionBudget(percent: percent).limit) }
        #expect(limits(0) == [0, 0, 0, 0, 0, 0, 0])
        #expect(limits(10) == [0, 0, 1, 1, 1, 1, 10])
        #expect(limits(50) == [0, 0, 1, 1, 2, 5, 50])
        #expect(limits(99) == [0, 0, 1, 2, 3, 9, 99])
        #expect(limits(100) == [0, 1, 2, 3, 4, 10, 100])
        #expect(limits(-7) == limits(0) && limits(500) == limits(100))
        #expect(EjectionBudget(percent: 50).allowsAnother(ejected: 1, of: 4))
        #expect(!EjectionBudget(percent: 50).allowsAnother(ejected: 2, of: 4))
    }
}

@Suite("Weights and slow start")
struct SlowStartTests {
    @Test("Slow start grows linearly from the minimum share to the full weight")
    func grows() {
        let slowStart = SlowStart(duration: 100 * second, leastShare: 0.2)
        let factors = [-5, 0, 10, 20, 50, 99, 100, 1000].map { slowStart.factor(after: $0 * second) }
        #expect(factors == [0.2, 0.2, 0.2, 0.2, 0.5, 0.99, 1, 1])
        #expect(slowStart.isRunning(after: 99 * second) && !slowStart.isRunning(after: 100 * second))
    }

    @Test("Without slow start the factor is 1; invalid settings are clamped")
    func none() {
        #expect(SlowStart(duration: 0).factor(after: 0) == 1)
        #expect(SlowStart(duration: -1).factor(after: -5) == 1)
        #expect(SlowStart(duration: 10, leastShare: 7).factor(after: 0) == 1)
        #expect(SlowStart(duration: 10, leastShare: -7).factor(after: 0) == 0)
        #expect(SlowStart(duration: 10, leastShare: .nan).factor(after: 5) == 0.5)
    }

    @Test("An effective weight is 0 only if the configured weight is 0")
    func effectiveWeights() {
        #expect([0, 1, 256, 4096, 5000].map { EffectiveWeight.of($0) } == [0, 256, 65_536, 1 << 20, 1 << 20])
        #expect(EffectiveWeight.of(-1) == 0)
        #expect([0, 0.001, 0.5, 1, 2].map { EffectiveWeight.of(1, factor: $0) } == [1, 1, 128, 256, 256])
        #expect(EffectiveWeight.of(1, factor: .nan) == 1)
        #expect(EffectiveWeight.configuredLimit * EffectiveWeight.scale == EffectiveWeight.limit)
    }
}
