import EventLoop
import Randomness
import Sockets
import Testing

@Suite("Timer wheel")
struct TimerWheelTests {
    private static let tick: UInt64 = 1_000_000
    private static let origin = Instant(nanoseconds: 77_123_456_789)

    private func at(_ milliseconds: UInt64, plus nanoseconds: UInt64 = 0) -> Instant {
        Instant(nanoseconds: Self.origin.nanoseconds + milliseconds * Self.tick + nanoseconds)
    }

    @Test("An empty wheel causes no wakeup")
    func empty() {
        var wheel = TimerWheel(capacity: 3, now: Self.origin)
        #expect(wheel.nextWake == nil)
        #expect(wheel.nextExpired() == nil)
        wheel.advance(to: at(1_000_000))
        #expect(wheel.nextExpired() == nil)
        #expect(wheel.nextWake == nil)
    }

    @Test("A timer expires once, at its tick and not before")
    func once() {
        var wheel = TimerWheel(capacity: 3, now: Self.origin)
        wheel.schedule(1, at: at(10))
        #expect(wheel.isScheduled(1) == true)
        #expect(wheel.nextWake == at(10))
        wheel.advance(to: at(9, plus: 999_999))
        #expect(wheel.nextExpired() == nil)
        wheel.advance(to: at(10))
        #expect(wheel.nextExpired() == 1)
        #expect(wheel.isScheduled(1) == false)
        #expect(wheel.nextExpired() == nil)
        #expect(wheel.nextWake == nil)
    }

    @Test("A deadline between two ticks is rounded up")
    func betweenTicks() {
        var wheel = TimerWheel(capacity: 1, now: Self.origin)
        wheel.schedule(0, at: at(10, plus: 1))
        wheel.advance(to: at(10, plus: 999_999))
        #expect(wheel.nextExpired() == nil)
        wheel.advance(to: at(11))
        #expect(wheel.nextExpired() == 0)
    }

    @Test("A past deadline expires immediately", arguments: [0, 1, 77_123_456_789])
    func past(deadline: UInt64) {
        var wheel = TimerWheel(capacity: 1, now: Self.origin)
        wheel.schedule(0, at: Instant(nanoseconds: deadline))
        #expect(wheel.nextWake.map { $0 <= Self.origin } == true)
        #expect(wheel.nextExpired() == 0)
    }

    @Test("A canceled timer does not expire, even if it was due")
    func cancelled() {
        var wheel = TimerWheel(capacity: 2, now: Self.origin)
        wheel.schedule(0, at: at(5))
        wheel.cancel(0)
        #expect(wheel.nextWake == nil)
        wheel.schedule(0, at: at(5))
        wheel.schedule(1, at: at(5))
        wheel.advance(to: at(6))
        wheel.cancel(0)
        wheel.cancel(0)
        #expect(wheel.nextExpired() == 1)
        #expect(wheel.nextExpired() == nil)
    }

    @Test("A rescheduled timer expires only at its new time")
    func moved() {
        var wheel = TimerWheel(capacity: 1, now: Self.origin)
        wheel.schedule(0, at: at(5))
        wheel.schedule(0, at: at(500))
        wheel.advance(to: at(499))
        #expect(wheel.nextExpired() == nil)
        wheel.schedule(0, at: at(2_000_000))
        wheel.schedule(0, at: at(501))
        wheel.advance(to: at(501))
        #expect(wheel.nextExpired() == 0)
        wheel.advance(to: at(3_000_000))
        #expect(wheel.nextExpired() == nil)
    }

    @Test("A timer may be rescheduled when it expires")
    func reschedule() {
        var wheel = TimerWheel(capacity: 1, now: Self.origin)
        var expirations = 0
        wheel.schedule(0, at: at(1))
        for millisecond in 1...500 as ClosedRange<UInt64> {
            wheel.advance(to: at(millisecond))
            while let timer = wheel.nextExpired() {
                expirations += 1
                wheel.schedule(timer, at: at(millisecond + 1))
            }
        }
        #expect(expirations == 500)
    }

    /// Distances just below and above the range of every level, of the horizon (2^24 ticks) and of several horizons,
    /// from starts that are aligned with the levels and starts that are not.
    @Test(
        "A timer at any distance expires at its tick, with only a few intermediate wakeups",
        arguments: [0, 1, 63, 64, 4095, 4096, 262_143, 262_144, 16_777_216] as [UInt64]
    )
    func cascades(start: UInt64) {
        let reaches: [UInt64] = [1, 64, 4096, 262_144, 16_777_216, 50_331_648]
        for distance in Set(reaches.flatMap { [$0 - 1, $0, $0 + 1, $0 + 63] }) {
            var wheel = TimerWheel(capacity: 1, now: Self.origin)
            wheel.advance(to: at(start))
            wheel.schedule(0, at: at(start + distance))
            var wakes = 0
            while wheel.nextExpired() == nil {
                guard let wake = wheel.nextWake, wakes < 20 else {
                    Issue.record("lost at \(start) + \(distance) after \(wakes) wakes")
                    return
                }
                wakes += 1
                #expect(wake <= at(start + distance))
                wheel.advance(to: wake)
            }
            #expect(wakes <= 8, "\(start) + \(distance)")
            // It expired in the round of its own tick, so the wheel is at that tick now.
            wheel.schedule(0, at: at(start + distance))
            #expect(wheel.nextWake == at(start + distance))
        }
    }

    @Test("A deadline at the largest instant neither traps nor expires")
    func endOfTime() {
        var wheel = TimerWheel(capacity: 2, now: Self.origin)
        wheel.schedule(0, at: Instant(nanoseconds: .max))
        wheel.schedule(1, at: Self.origin + .seconds(Int64.max))
        for hours in 1...50 as ClosedRange<UInt64> {
            let now = at(hours * 3_600_000)
            #expect(wheel.nextWake.map { $0 > at((hours - 1) * 3_600_000) } == true)
            wheel.advance(to: now)
            #expect(wheel.nextExpired() == nil)
        }
    }

    @Test("Time that runs backwards changes nothing")
    func backwards() {
        var wheel = TimerWheel(capacity: 1, now: Self.origin)
        wheel.advance(to: at(1000))
        wheel.schedule(0, at: at(1010))
        wheel.advance(to: at(3))
        #expect(wheel.nextExpired() == nil)
        #expect(wheel.nextWake == at(1010))
        wheel.advance(to: at(1010))
        #expect(wheel.nextExpired() == 0)
    }

    @Test(
        "Random operations agree with a plain table: never early, late by less than a tick, no missed wakeup",
        arguments: 1...30 as ClosedRange<UInt64>
    )
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let capacity = Int.random(in: 1...60, using: &random)
        var now = Instant(nanoseconds: UInt64.random(in: 0...1 << 40, using: &random))
        var wheel = TimerWheel(capacity: capacity, now: now)
        var deadlines: [Int: Instant] = [:]

        for step in 0..<2000 {
            let timer = Int.random(in: 0..<capacity, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let deadline = now + .nanoseconds(distance(&random))
                deadlines[timer] = deadline
                wheel.schedule(timer, at: deadline)
            case 4:
                // Includes deadlines in the past.
                let deadline = Instant(nanoseconds: now.nanoseconds &- min(now.nanoseconds, UInt64(distance(&random))))
                deadlines[timer] = deadline
                wheel.schedule(timer, at: deadline)
            case 5:
                deadlines[timer] = nil
                wheel.cancel(timer)
            default:
                // As a worker does: sleeps at most until the next wake, if there is one, and returns a little late.
                let wake = wheel.nextWake
                if let next = deadlines.values.min() {
                    guard let wake, wake.nanoseconds < max(next, now).nanoseconds + Self.tick else {
                        Issue.record("seed \(seed), step \(step): wakes at \(String(describing: wake)), due \(next)")
                        return
                    }
                } else if wake != nil {
                    Issue.record("seed \(seed), step \(step): wakes without a timer")
                    return
                }
                let target = Bool.random(using: &random) ? wake ?? now : now + .nanoseconds(distance(&random))
                now = max(now, target)
                wheel.advance(to: now)
                while Int.random(in: 0..<8, using: &random) > 0, let expired = wheel.nextExpired() {
                    guard let deadline = deadlines.removeValue(forKey: expired), deadline <= now else {
                        Issue.record("seed \(seed), step \(step): timer \(expired) expired early or twice")
                        return
                    }
                }
            }
            guard wheel.isScheduled(timer) == (deadlines[timer] != nil) else {
                Issue.record("seed \(seed), step \(step): timer \(timer) is scheduled in only one of the two")
                return
            }
        }
        while let expired = wheel.nextExpired() {
            #expect(deadlines.removeValue(forKey: expired).map { $0 <= now } == true)
        }
        // The remaining timers are not due, or by less than a tick.
        #expect(deadlines.values.allSatisfy { $0.nanoseconds + Self.tick > now.nanoseconds })
    }

    /// Returns up to several days in nanoseconds, with small and large magnitudes equally likely.
    private func distance(_ random: inout SplitMix64) -> Int64 {
        let bits = Int.random(in: 0...48, using: &random)
        return Int64(UInt64.random(in: 0...(1 << bits), using: &random))
    }
}
