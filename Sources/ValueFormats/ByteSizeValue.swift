/// A number of bytes in its text format: `1500`, `64KiB`, `16K`, `10MB`.
public struct ByteSizeValue: Hashable, Sendable {
    public let bytes: Int

    /// Regular expression of all valid texts, for JSON Schema.
    public static let pattern = "^[0-9]+([.][0-9]+)? ?(B|kB|[MGT]B|[KMGT](iB)?)?$"

    public init(_ bytes: Int) {
        self.bytes = bytes
    }

    /// Parses a number of bytes. `K`, `M`, `G` and `T` are powers of 1024, like `KiB`; `kB`, `MB`, `GB` and `TB` are
    /// powers of 1000. One space may separate the number from its unit.
    ///
    /// - Throws: ``ValueFormatError``, which states how to write a size.
    public init(parsing text: String, in range: ClosedRange<Int>) throws(ValueFormatError) {
        var rest = text[...]
        let number = DecimalNumber(consuming: &rest)
        let unit = rest.first == " " && rest.count > 1 ? rest.dropFirst() : rest
        guard let number, let scale = Self.scales[unit] else {
            throw ValueFormatError("write a number of bytes, such as 1500, 16K, 64KiB or 10MB")
        }
        guard let bytes = number.multiplied(by: scale) else {
            throw ValueFormatError("not a whole number of bytes: write fewer decimals or a smaller unit")
        }
        guard bytes <= range.upperBound else {
            throw ValueFormatError("too large: must be at most \(Self(range.upperBound))")
        }
        guard bytes >= range.lowerBound else {
            throw ValueFormatError("too small: must be at least \(Self(range.lowerBound))")
        }
        self.bytes = Int(bytes)
    }

    /// The largest first.
    private static let units = [
        ("TiB", 1 << 40), ("TB", 1_000_000_000_000), ("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20),
        ("MB", 1_000_000), ("KiB", 1 << 10), ("kB", 1000),
    ]

    private static let scales: [Substring: Int] = {
        var scales: [Substring: Int] = ["": 1, "B": 1]
        for (name, scale) in units {
            scales[name[...]] = scale
            if name.hasSuffix("iB") { scales[name.dropLast(2)] = scale }
        }
        return scales
    }()
}

extension ByteSizeValue: CustomStringConvertible {
    /// The size in the largest unit that needs no fraction. It can be parsed again.
    public var description: String {
        guard bytes > 0, let unit = Self.units.first(where: { bytes % $0.1 == 0 }) else { return "\(bytes)" }
        return "\(bytes / unit.1)\(unit.0)"
    }
}
