/// An integer with thousands separators: `1,234,567`.
package struct Grouped: CustomStringConvertible {
    package let description: String

    package init(_ number: Int) {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        description = (number < 0 ? "-" : "") + text
    }

    /// Rounds to the nearest integer.
    ///
    /// - Parameter number: magnitude less than 1e12.
    package init(_ number: Double) {
        self.init(Int(number.rounded()))
    }
}

/// A throughput in bits per second: `9.42 Gbit/s`.
package struct BitRate: CustomStringConvertible {
    package let description: String

    /// - Parameter bytesPerSecond: at least 0.
    package init(_ bytesPerSecond: Double) {
        let bits = bytesPerSecond * 8
        let units: [(scale: Double, name: String)] = [(1, "bit/s"), (1e3, "kbit/s"), (1e6, "Mbit/s"), (1e9, "Gbit/s")]
        let unit = units.last { bits >= $0.scale } ?? units[0]
        description = bits <= 0 ? "0 bit/s" : "\((bits / unit.scale).threeDigits) \(unit.name)"
    }
}

extension String {
    /// Returns the string, padded with trailing spaces to a width.
    package func leftAligned(_ width: Int) -> String { self + blanks(width) }

    /// Returns the string, padded with leading spaces to a width.
    package func rightAligned(_ width: Int) -> String { blanks(width) + self }

    private func blanks(_ width: Int) -> String {
        String(repeating: " ", count: Swift.max(0, width - count))
    }
}
