/// A number of bytes as text: whole under 1024 (`512B`), otherwise with one decimal in a unit of 1024 (`1.5MB`).
struct ByteCount: Hashable, CustomStringConvertible {
    let bytes: Int

    init(_ bytes: Int) {
        self.bytes = bytes
    }

    var description: String {
        guard bytes >= 1024 else { return "\(bytes)B" }
        var unit = 1024
        for name in ["KB", "MB", "GB"] {
            let (whole, tenths) = rounded(to: unit)
            // Checked after rounding: 1023.95 KB are 1.0MB and not 1024.0KB.
            if whole < 1024 { return "\(whole).\(tenths)\(name)" }
            unit *= 1024
        }
        let (whole, tenths) = rounded(to: unit)
        return "\(whole).\(tenths)TB"
    }

    /// Integer arithmetic, because a Double cannot represent every count; a half is rounded up.
    private func rounded(to unit: Int) -> (whole: Int, tenths: Int) {
        let (whole, rest) = bytes.quotientAndRemainder(dividingBy: unit)
        let tenths = (rest * 10 + unit / 2) / unit
        return tenths == 10 ? (whole + 1, 0) : (whole, tenths)
    }
}
