import Testing
import ValueFormats

@Suite("Setting descriptor")
struct SettingDescriptorTests {
    private static let count = SettingDescriptor.count("count", in: 1...8, default: 1)
        .help("A number.")

    private static let time = SettingDescriptor.durationOrOff("time", in: .milliseconds(1)...(.seconds(60)))
        .option("the-time")
        .help("A time.")

    @Test("a number outside the range is a violation that names the option, the owner and the range")
    func numbers() {
        #expect(Self.count.violation(1) == nil)
        #expect(Self.count.violation(8) == nil)
        #expect(Self.count.violation(Int?.none) == nil)
        let violation = Self.count.violation(9, of: " of pool p")
        #expect(violation?.name == "count of pool p")
        #expect(violation?.value == "9")
        #expect(violation?.allowed == "1 to 8")
    }

    @Test("a duration outside the range is a violation in the format of the command line")
    func durations() {
        #expect(Self.time.violation(Duration.seconds(60)) == nil)
        #expect(Self.time.violation(Duration.seconds(61))?.name == "the-time")
        #expect(Self.time.violation(Duration.zero)?.allowed == "1ms to 1m, or off")
    }

    @Test(
        "the allowed values are described",
        arguments: [
            (.count(0...5), "0 to 5"), (.percentage(1...100), "`1%` to `100%`"), (.text(1...9), "1 to 9 bytes"),
            (.binaryText(0...9), "0 to 9 bytes"), (.visibleText(1...9), "1 to 9 bytes of visible ASCII"),
            (.words(["a", "b"]), "`a`, `b`"), (.described("anything"), "anything"), (.ofType, nil),
        ] as [(SettingValues, String?)]
    )
    func descriptions(values: SettingValues, text: String?) {
        #expect(values.description == text)
    }

    @Test("a setting has the name of its key as option, unless it has another")
    func option() {
        #expect(Self.count.option == "count")
        #expect(Self.time.name == "time")
        #expect(Self.time.option == "the-time")
    }

    @Test("a setting that is not set has no value, and a description of what applies instead")
    func unset() {
        let port = SettingDescriptor.count("port", in: 1...65_535, unset: "the port of the server")
        #expect(port.defaultValue == nil)
        #expect(!port.canBeOff)
        #expect(port.defaultText == "the port of the server")
        let list = SettingDescriptor<[Int]>("list", unset: "none").allowed("numbers")
        #expect(list.defaultValue.isEmpty)
        #expect(list.allowed == "numbers")
    }

    @Test("off is the default of a setting that can be off and has no other")
    func off() {
        #expect(Self.time.canBeOff)
        #expect(Self.time.defaultValue == nil)
        #expect(Self.time.defaultText == nil)
        #expect(SettingDescriptor.durationOrOff("time", default: .seconds(5)).defaultValue == .seconds(5))
    }
}
