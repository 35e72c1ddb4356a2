import Testing
import ValueFormats

@Suite("Timestamps")
struct TimestampTests {
    @Test(
        "a time is formatted in UTC, to the millisecond",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400.045, "2000-02-29T00:00:00.045Z"),
            (1_769_850_303.25, "2026-01-31T09:05:03.250Z"), (1_769_850_303.9999, "2026-01-31T09:05:04.000Z"),
            (-1, "1970-01-01T00:00:00.000Z"), (.nan, "1970-01-01T00:00:00.000Z"),
            (.infinity, "9999-12-31T23:59:59.999Z"),
        ] as [(Double, String)]
    )
    func rfc3339(seconds: Double, text: String) {
        #expect(Timestamp(secondsSince1970: seconds).description == text)
    }

    @Test("an HTTP date has a fixed format")
    func httpDate() {
        #expect(Timestamp(secondsSince1970: 784_111_777).httpDate == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}
