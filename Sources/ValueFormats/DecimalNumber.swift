/// A non-negative decimal number without an exponent, such as `250` or `1.5`, with exact arithmetic.
struct DecimalNumber {
    /// The number as written.
    let text: Substring
    private let whole: Int128
    /// Digits after the decimal point, as an integer, and their number.
    private let fraction: (digits: Int128, scale: Int128)?

    /// Parses the digits at the start of a text and removes them from it; returns nil if there are none.
    ///
    /// A decimal point belongs to the number only between digits. Digits are those of ASCII.
    init?(consuming rest: inout Substring) {
        let start = rest
        let digits = Self.takeDigits(of: &rest)
        guard !digits.isEmpty else { return nil }
        // More digits than any range permits stay more than any range permits.
        let significant = digits.drop { $0 == "0" }
        whole = significant.count > Self.maxDigits ? Self.powerOfTen(Self.maxDigits) : Int128(significant) ?? 0
        var afterPoint = rest.dropFirst()
        if rest.first == ".", case let decimals = Self.takeDigits(of: &afterPoint), !decimals.isEmpty {
            rest = afterPoint
            var digits = decimals
            while digits.last == "0" { digits.removeLast() }
            fraction =
                digits.count > Self.maxDigits
                ? nil : (digits: Int128(digits) ?? 0, scale: Self.powerOfTen(digits.count))
        } else {
            fraction = (digits: 0, scale: 1)
        }
        text = start[..<rest.startIndex]
    }

    var isZero: Bool { text.allSatisfy { $0 == "0" || $0 == "." } }

    /// Returns the number times a factor of at most 1e13; nil if that is not an integer.
    func multiplied(by factor: Int) -> Int128? {
        guard let fraction else { return nil }
        let (part, rest) = (fraction.digits * Int128(factor)).quotientAndRemainder(dividingBy: fraction.scale)
        return rest == 0 ? whole * Int128(factor) + part : nil
    }

    /// So few that no product exceeds 128 bits.
    private static let maxDigits = 18

    private static func powerOfTen(_ exponent: Int) -> Int128 {
        (0..<exponent).reduce(1) { power, _ in power * 10 }
    }

    private static func takeDigits(of rest: inout Substring) -> Substring {
        // The range of characters also contains digits with combining marks, which are not ASCII.
        let digits = rest.prefix { $0.isASCII && ("0"..."9").contains($0) }
        rest = rest[digits.endIndex...]
        return digits
    }
}
