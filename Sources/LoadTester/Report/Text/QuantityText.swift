/// Parsers of numbers and times.
enum Quantity {
    /// Parses a non-negative number with an optional unit prefix (k, M, G): `250`, `1.5k`, `2M`.
    static func number(_ text: Substring) -> Double? {
        let scales: [Character: Double] = ["k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9]
        let scale = text.last.flatMap { scales[$0] }
        return plainNumber(scale == nil ? text : text.dropLast()).map { $0 * (scale ?? 1) }
    }

    /// Parses a time, in seconds: `500us`, `1.5ms`, `2s`, `5m`, `1h`.
    static func seconds(_ text: Substring) -> Double? {
        let units: [(name: String, scale: Double)] = [
            ("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
        ]
        guard let unit = units.first(where: { text.hasSuffix($0.name) }) else { return nil }
        return plainNumber(text.dropLast(unit.name.count)).map { $0 * unit.scale }
    }

    /// Parses digits and a decimal point only; Swift's parser also accepts `nan`, `0x1p3` and the like.
    private static func plainNumber(_ text: Substring) -> Double? {
        guard let first = text.first, first.isNumber, text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") })
        else {
            return nil
        }
        return Double(text)
    }
}

extension Substring {
    /// The string without leading and trailing whitespace.
    var trimmed: Substring {
        var text = drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
