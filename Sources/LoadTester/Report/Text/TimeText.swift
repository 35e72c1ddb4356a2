/// A time formatted for people: three significant digits and a unit.
package struct TimeText: CustomStringConvertible, Sendable {
    /// Such as `1.25 ms`.
    package let description: String

    /// - Parameter seconds: at least 0.
    package init(_ seconds: Double) {
        let units: [(scale: Double, name: String)] = [(1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1, "s")]
        // Takes rounding into account, so that 999.6 us becomes 1.00 ms, not 1000 us.
        let unit = units.last { seconds >= $0.scale * 0.9995 } ?? units[0]
        let value = seconds / unit.scale
        description = seconds <= 0 ? "0" : "\(value.threeDigits) \(unit.name)"
    }
}

extension Double {
    /// The number with as many decimals as make three significant digits; no decimals from 100 on.
    var threeDigits: String {
        switch magnitude {
        case ..<9.995: fixed(2)
        case ..<99.95: fixed(1)
        default: fixed(0)
        }
    }

    /// Returns the number with a fixed number of decimals, 0 to 12.
    package func fixed(_ decimals: Int) -> String {
        guard isFinite, magnitude < 1e15 else { return "\(self)" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (magnitude * scale).rounded()
        guard scaled < 9e18 else { return "\(self)" }
        let digits = String(Int64(scaled))
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        let sign = self < 0 && scaled > 0 ? "-" : ""
        guard decimals > 0 else { return sign + padded }
        return sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
    }
}
