import Testing
import ValueFormats

@Suite("Durations")
struct DurationValueTests {
    @Test(
        "a duration is parsed exactly",
        arguments: [
            ("500ms", Duration.milliseconds(500)), ("10s", .seconds(10)), ("5m", .seconds(300)), ("1h", .seconds(3600)),
            ("0", .zero), ("000", .zero), ("0.0", .zero), ("0ms", .zero), ("0h", .zero), ("007s", .seconds(7)),
            ("1.5s", .milliseconds(1500)), ("1m30s", .seconds(90)), ("1h30m", .seconds(5400)), ("1.5h", .seconds(5400)),
            ("1m0.5s", .milliseconds(60_500)), ("500us", .microseconds(500)), ("7ns", .nanoseconds(7)),
            ("10 s", .seconds(10)), ("8760h", DurationValue.maxDuration), ("31536000000ms", DurationValue.maxDuration),
        ]
    )
    func durations(text: String, expected: Duration) throws {
        #expect(try DurationValue(parsing: text).duration == expected)
    }

    @Test(
        "an invalid duration is an error that states the format",
        arguments: [
            ("", "write a number and its unit, such as 500ms, 1.5s, 1m30s or 1h"),
            ("ms", "write a number and its unit, such as 500ms, 1.5s, 1m30s or 1h"),
            ("-5s", "write a number and its unit, such as 500ms, 1.5s, 1m30s or 1h"),
            ("٣s", "write a number and its unit, such as 500ms, 1.5s, 1m30s or 1h"),
            (".5s", "write a number and its unit, such as 500ms, 1.5s, 1m30s or 1h"),
            ("10", "missing unit: write 10ms, 10s, 10m or 10h"),
            ("1.5", "missing unit: write 1.5ms, 1.5s, 1.5m or 1.5h"),
            ("1m30", "unknown unit '': write a number and h, m, s, ms, us or ns, such as 500ms, 1.5s, 1m30s or 1h"),
            ("10  s", "unknown unit ' s': write a number and h, m, s, ms, us or ns, such as 500ms, 1.5s, 1m30s or 1h"),
            ("5\u{301}s", "write a number and its unit, such as 500ms, 1.5s, 1m30s or 1h"),
            ("10S", "unknown unit 'S': write a number and h, m, s, ms, us or ns, such as 500ms, 1.5s, 1m30s or 1h"),
            ("1d", "unknown unit 'd': write a number and h, m, s, ms, us or ns, such as 500ms, 1.5s, 1m30s or 1h"),
            ("30s1m", "wrong order of units: write the largest first, such as 1m30s"),
            ("1s1s", "wrong order of units: write the largest first, such as 1m30s"),
            ("0.5ns", "too many decimals: write whole nanoseconds"),
            ("8761h", "too long: must be at most 8760h"),
            ("8760h1ns", "too long: must be at most 8760h"),
            ("31536000001ms", "too long: must be at most 8760h"),
            ("9223372036854775807h", "too long: must be at most 8760h"),
            ("99999999999999999999999999s", "too long: must be at most 8760h"),
        ]
    )
    func errors(text: String, expected: String) {
        #expect(throws: ValueFormatError(expected)) { try DurationValue(parsing: text) }
    }

    @Test("a duration outside the permitted range is an error that states the limit")
    func ranges() throws {
        let range: ClosedRange<Duration> = .seconds(1)...(.seconds(90))
        #expect(try DurationValue(parsing: "1s", in: range).duration == .seconds(1))
        #expect(try DurationValue(parsing: "90s", in: range).duration == .seconds(90))
        #expect(throws: ValueFormatError("too short: must be at least 1s")) {
            try DurationValue(parsing: "999ms", in: range)
        }
        #expect(throws: ValueFormatError("too short: must be at least 1s")) {
            try DurationValue(parsing: "0", in: range)
        }
        #expect(throws: ValueFormatError("too long: must be at most 90s")) {
            try DurationValue(parsing: "2m", in: range)
        }
    }

    @Test(
        "a duration is formatted so that it can be parsed again",
        arguments: [
            (Duration.zero, "0s"), (.milliseconds(1), "1ms"), (.milliseconds(1500), "1500ms"), (.seconds(1), "1s"),
            (.seconds(60), "1m"), (.seconds(90), "90s"), (.seconds(3600), "1h"), (.microseconds(1500), "1500us"),
            (.nanoseconds(1), "1ns"), (DurationValue.maxDuration, "8760h"),
        ]
    )
    func formatting(duration: Duration, expected: String) throws {
        let value = DurationValue(duration)
        #expect(value.description == expected)
        #expect(try DurationValue(parsing: expected) == value)
    }
}
