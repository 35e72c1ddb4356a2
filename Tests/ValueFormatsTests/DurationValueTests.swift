import Testing

import ValueFormats

@Suite("Duration value")
struct DurationValueTests {
    @Test(
        "a duration is parsed",
        arguments: [
            ("500ms", Duration.milliseconds(500)), ("10s", .seconds(10)), ("5m", .seconds(300)), ("1h", .seconds(3600)),
            ("0", .zero), ("000", .zero), ("0ms", .zero), ("0h", .zero), ("007s", .seconds(7)),
            ("8760h", DurationValue.longest), ("31536000000ms", DurationValue.longest),
        ]
    )
    func parsing(text: String, expected: Duration) throws {
        #expect(try DurationValue(parsing: text).duration == expected)
    }

    @Test(
        "the error for an invalid duration states the fix",
        arguments: [
            ("", "write a whole number and its unit, such as 500ms, 10s, 5m or 1h"),
            ("ms", "write a whole number and its unit, such as 500ms, 10s, 5m or 1h"),
            ("-5s", "write a whole number and its unit, such as 500ms, 10s, 5m or 1h"),
            ("٣s", "write a whole number and its unit, such as 500ms, 10s, 5m or 1h"),
            ("10", "missing unit: write 10ms, 10s, 10m or 10h"),
            ("10 s", "unknown unit ' s': write a whole number and ms, s, m or h, such as 500ms, 10s, 5m or 1h"),
            ("1.5s", "unknown unit '.5s': write a whole number and ms, s, m or h, such as 500ms, 10s, 5m or 1h"),
            ("10S", "unknown unit 'S': write a whole number and ms, s, m or h, such as 500ms, 10s, 5m or 1h"),
            ("1h30m", "unknown unit 'h30m': write a whole number and ms, s, m or h, such as 500ms, 10s, 5m or 1h"),
            ("8761h", "too long: must be at most 8760h"),
            ("31536000001ms", "too long: must be at most 8760h"),
            ("9223372036854775807h", "too long: must be at most 8760h"),
            ("99999999999999999999999999s", "too long: must be at most 8760h"),
        ]
    )
    func errors(text: String, expected: String) {
        #expect(throws: ValueFormatError(expected)) { try DurationValue(parsing: text) }
    }

    @Test("a duration outside its range is rejected")
    func range() throws {
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
        "a formatted duration can be parsed again",
        arguments: [
            (Duration.zero, "0s"), (.milliseconds(1), "1ms"), (.milliseconds(1500), "1500ms"), (.seconds(1), "1s"),
            (.seconds(60), "1m"), (.seconds(90), "90s"), (.seconds(3600), "1h"), (DurationValue.longest, "8760h"),
        ]
    )
    func formatting(duration: Duration, expected: String) throws {
        let written = DurationValue(duration)
        #expect(written.description == expected)
        #expect(try DurationValue(parsing: written.description) == written)
    }
}
