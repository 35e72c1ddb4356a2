import Testing

@testable import monkey

@Suite("Byte count")
struct ByteCountTests {
    @Test(
        "a count is formatted in the largest unit",
        arguments: [
            (0, "0B"), (1, "1B"), (512, "512B"), (1023, "1023B"),
            (1024, "1.0KB"), (1536, "1.5KB"), (819_200, "800.0KB"), (1_572_864, "1.5MB"),
            (1 << 20, "1.0MB"), (1 << 30, "1.0GB"), (1 << 40, "1.0TB"), (1 << 50, "1024.0TB"),
            (Int.max, "8388608.0TB"),
        ]
    )
    func units(bytes: Int, expected: String) {
        #expect(ByteCount(bytes).description == expected)
    }

    @Test(
        "a count is rounded to the nearest tenth",
        arguments: [
            (1024 + 51, "1.0KB"), (1024 + 52, "1.1KB"), (2047, "2.0KB"),
            (1_048_524, "1023.9KB"), (1_048_525, "1.0MB"), ((1 << 20) - 1, "1.0MB"),
            (1_073_689_395, "1023.9MB"), (1_073_689_396, "1.0GB"), ((1 << 40) - 1, "1.0TB"),
        ]
    )
    func rounding(bytes: Int, expected: String) {
        #expect(ByteCount(bytes).description == expected)
    }
}
