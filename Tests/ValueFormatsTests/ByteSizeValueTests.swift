import Testing
import ValueFormats

@Suite("Byte sizes")
struct ByteSizeValueTests {
    private let range = 1...1_000_000_000_000

    @Test(
        "a size is parsed, and formatted so that it can be parsed again",
        arguments: [
            ("1", 1, "1"), ("1500", 1500, "1500"), ("64KiB", 65_536, "64KiB"), ("10MB", 10_000_000, "10MB"),
            ("2GiB", 2 << 30, "2GiB"), ("5B", 5, "5"), ("1kB", 1000, "1kB"), ("1000GB", 1_000_000_000_000, "1TB"),
            ("16K", 16_384, "16KiB"), ("1M", 1 << 20, "1MiB"), ("1G", 1 << 30, "1GiB"), ("1.5K", 1536, "1536"),
            ("1.5MB", 1_500_000, "1500kB"), ("10 MB", 10_000_000, "10MB"), ("1.0", 1, "1"), ("0.5KiB", 512, "512"),
        ]
    )
    func sizes(text: String, bytes: Int, formatted: String) throws {
        let size = try ByteSizeValue(parsing: text, in: range)
        #expect(size.bytes == bytes)
        #expect(size.description == formatted)
        #expect(try ByteSizeValue(parsing: formatted, in: range) == size)
    }

    @Test(
        "an invalid size is an error that states the format",
        arguments: [
            ("", "write a number of bytes, such as 1500, 16K, 64KiB or 10MB"),
            ("-1", "write a number of bytes, such as 1500, 16K, 64KiB or 10MB"),
            ("x", "write a number of bytes, such as 1500, 16K, 64KiB or 10MB"),
            ("K", "write a number of bytes, such as 1500, 16K, 64KiB or 10MB"),
            ("10mb", "write a number of bytes, such as 1500, 16K, 64KiB or 10MB"),
            ("1.", "write a number of bytes, such as 1500, 16K, 64KiB or 10MB"),
            ("1e3", "write a number of bytes, such as 1500, 16K, 64KiB or 10MB"),
            ("1.5", "not a whole number of bytes: write fewer decimals or a smaller unit"),
            ("0.0000000000000000001TB", "not a whole number of bytes: write fewer decimals or a smaller unit"),
            ("0", "too small: must be at least 1"), ("1001GB", "too large: must be at most 1TB"),
            ("99999999999999999999", "too large: must be at most 1TB"),
            ("9999999999999999TiB", "too large: must be at most 1TB"),
        ]
    )
    func errors(text: String, expected: String) {
        #expect(throws: ValueFormatError(expected)) { try ByteSizeValue(parsing: text, in: range) }
    }
}
