/// A number of bytes in its textual notation: `1500`, `64KiB`, `10MB`.
public struct ByteSizeValue: Hashable, Sendable {
    public let bytes: Int

    public init(_ bytes: Int) {
        self.bytes = bytes
    }

    /// Parses a number of bytes.
    ///
    /// - Throws: ``ValueFormatError``, which states how to write a size.
    public init(parsing text: String, in range: ClosedRange<Int>) throws(ValueFormatError) {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard !digits.isEmpty, let scale = Self.units[text.dropFirst(digits.count)] else {
            throw ValueFormatError("write a whole number of bytes, such as 1500, 64KiB or 10MB")
        }
        guard let number = Int(digits), case let (bytes, overflow) = number.multipliedReportingOverflow(by: scale),
            !overflow, bytes <= range.upperBound
        else { throw ValueFormatError("too large: must be at most \(range.upperBound)") }
        guard bytes >= range.lowerBound else {
            throw ValueFormatError("too small: must be at least \(range.lowerBound)")
        }
        self.bytes = bytes
    }

    private static let units: [Substring: Int] = [
        "": 1, "B": 1, "kB": 1000, "MB": 1_000_000, "GB": 1_000_000_000, "KiB": 1 << 10, "MiB": 1 << 20,
        "GiB": 1 << 30,
    ]
}

extension ByteSizeValue: CustomStringConvertible {
    /// The size in the largest unit that needs no fraction.
    public var description: String {
        let units = [
            ("GB", 1_000_000_000), ("GiB", 1 << 30), ("MB", 1_000_000), ("MiB", 1 << 20), ("kB", 1000),
            ("KiB", 1 << 10),
        ]
        guard bytes > 0, let unit = units.first(where: { bytes % $0.1 == 0 }) else { return "\(bytes)" }
        return "\(bytes / unit.1)\(unit.0)"
    }
}
