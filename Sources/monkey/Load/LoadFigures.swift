/// A whole number with commas between its thousands: `1,234,567`.
struct Grouped: CustomStringConvertible {
    let description: String

    init(_ number: Int) {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        description = (number < 0 ? "-" : "") + text
    }
}

/// A throughput in bits, as networks have it: `9.42 Gbit/s`.
struct BitRate: CustomStringConvertible {
    let description: String

    /// - Parameter bytesPerSecond: 0 at least.
    init(_ bytesPerSecond: Double) {
        let bits = bytesPerSecond * 8
        let units: [(scale: Double, name: String)] = [(1, "bit/s"), (1e3, "kbit/s"), (1e6, "Mbit/s"), (1e9, "Gbit/s")]
        let unit = units.last { bits >= $0.scale } ?? units[0]
        let value = bits / unit.scale
        description = "\(value.rounded(to: value < 10 ? 2 : value < 100 ? 1 : 0)) \(unit.name)"
    }
}

extension Double {
    /// With so many decimals, as text.
    func rounded(to decimals: Int) -> String {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let value = (self * scale).rounded() / scale
        guard value.magnitude < 1e15 else { return "\(value)" }
        let whole = Int64(value.magnitude)
        let fraction = Int64(((value.magnitude - Double(whole)) * scale).rounded())
        let sign = value < 0 ? "-" : ""
        guard decimals > 0 else { return "\(sign)\(whole)" }
        let digits = String(fraction)
        return "\(sign)\(whole)." + String(repeating: "0", count: max(0, decimals - digits.count)) + digits
    }
}
