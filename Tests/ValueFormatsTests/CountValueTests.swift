import Testing
import ValueFormats

@Suite("Counts and rates")
struct CountValueTests {
    @Test(
        "a count may be in thousands, millions or billions",
        arguments: [("0", 0.0), ("250", 250), ("1.5k", 1500), ("20K", 20_000), ("2M", 2e6), ("1G", 1e9)]
    )
    func counts(text: String, count: Double) {
        #expect(CountValue(parsing: text)?.count == count)
    }

    @Test(
        "an invalid count is rejected",
        arguments: ["", "k", "-1", "1 k", "nan", "0x1p3", "1e3", "1.5.5", ".5", "5KiB"]
    )
    func noCounts(text: String) {
        #expect(CountValue(parsing: text) == nil)
    }

    @Test("a rate is per second, minute or hour", arguments: [("20k/s", 20_000.0), ("600/m", 10), ("1800/h", 0.5)])
    func rates(text: String, perSecond: Double) {
        #expect(FrequencyValue(parsing: text)?.perSecond == perSecond)
    }

    @Test("an invalid rate is rejected", arguments: ["", "5", "/s", "5/", "5/d", "5//s", "-5/s"])
    func noRates(text: String) {
        #expect(FrequencyValue(parsing: text) == nil)
    }
}
