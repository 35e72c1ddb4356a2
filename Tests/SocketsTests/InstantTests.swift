import Sockets
import Testing

@Suite("Instant")
struct InstantTests {
    @Test(
        "A duration is converted to whole nanoseconds and clamped at both ends",
        arguments: [
            (.zero, 0),
            (.nanoseconds(1), 1),
            (.milliseconds(1500), 1_500_000_000),
            (Duration(secondsComponent: 0, attosecondsComponent: 999_999_999), 0),
            (Duration(secondsComponent: 1, attosecondsComponent: 1_999_999_999), 1_000_000_001),
            (.nanoseconds(-1), 0),
            (.seconds(-5), 0),
            (Duration(secondsComponent: 1, attosecondsComponent: -1_000_000_000), 999_999_999),
            (Duration(secondsComponent: Int64.min, attosecondsComponent: 0), 0),
            (.seconds(18_446_744_073), 18_446_744_073_000_000_000),
            (.seconds(18_446_744_073) + .nanoseconds(709_551_615), UInt64.max),
            (.seconds(18_446_744_073) + .nanoseconds(709_551_616), UInt64.max),
            (.seconds(18_446_744_074), UInt64.max),
            (.seconds(Int64.max), UInt64.max),
        ] as [(Duration, UInt64)]
    )
    func wholeNanoseconds(duration: Duration, expected: UInt64) {
        #expect(duration.wholeNanoseconds == expected)
    }

    @Test("An addition is clamped at the last instant, and never goes back")
    func addition() {
        let moment = Instant(nanoseconds: 1000)
        #expect(moment + .nanoseconds(5) == Instant(nanoseconds: 1005))
        #expect(moment + .seconds(Int64.max) == Instant(nanoseconds: .max))
        #expect(Instant(nanoseconds: .max) + .nanoseconds(1) == Instant(nanoseconds: .max))
        #expect(moment + .seconds(-1) == moment)
    }

    @Test("The time since a later instant is zero")
    func since() {
        let (early, late) = (Instant(nanoseconds: 10), Instant(nanoseconds: 25))
        #expect(late.since(early) == .nanoseconds(15))
        #expect(early.since(late) == .zero)
        #expect(early < late)
        #expect(Instant(nanoseconds: .max).since(Instant(nanoseconds: 0)) == .nanoseconds(Int64.max))
    }
}
