import ValueFormats
import Testing

@Suite("Byte size")
struct ByteSizeValueTests {
    private let range = 1...1_000_000_000_000

    @Test(
        "a size is parsed and formatted",
        arguments: [
            ("1", 1, "1"), ("1500", 1500, "1500"), ("64KiB", 65_536, "64KiB"), ("10MB", 10_000_000, "10MB"),
            ("2GiB", 2 << 30, "2GiB"), ("5B", 5, "5"), ("1kB", 1000, "1kB"), ("1000GB", 1_000_000_000_000, "1000GB"),
        ]
    )
    func parsing(text: String, bytes: Int, written: String) throws {
        let size = try ByteSizeValue(parsing: text, in: range)
        #expect(size.bytes == bytes)
        #expect(size.description == written)
    }

    @Test(
        "an invalid size is rejected",
        arguments: [
            "", "0", "-1", "x", "10 MB", "10mb", "1001GB", "99999999999999999999", "9999999999999999GB", "1.5MB",
        ]
    )
    func errors(text: String) {
        #expect(throws: ValueFormatError.self) { try ByteSizeValue(parsing: text, in: range) }
    }
}
