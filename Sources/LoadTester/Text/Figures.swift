/// A whole number with commas between its thousands: `1,234,567`.
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

    /// The nearest whole number.
    ///
    /// - Parameter number: less than a trillion.
    package init(_ number: Double) {
        self.init(Int(number.rounded()))
    }
}

/// A throughput in bits, as networks have it: `9.42 Gbit/s`.
package struct BitRate: CustomStringConvertible {
    package let description: String

    /// - Parameter bytesPerSecond: 0 at least.
    package init(_ bytesPerSecond: Double) {
        let bits = bytesPerSecond * 8
        let units: [(scale: Double, name: String)] = [(1, "bit/s"), (1e3, "kbit/s"), (1e6, "Mbit/s"), (1e9, "Gbit/s")]
        let unit = units.last { bits >= $0.scale } ?? units[0]
        description = bits <= 0 ? "0 bit/s" : "\((bits / unit.scale).threeDigits) \(unit.name)"
    }
}

extension String {
    /// Filled up with blanks to a width.
    package func leftAligned(_ width: Int) -> String { self + blanks(width) }

    /// With blanks before it, up to a width.
    package func rightAligned(_ width: Int) -> String { blanks(width) + self }

    private func blanks(_ width: Int) -> String {
        String(repeating: " ", count: Swift.max(0, width - count))
    }
}
