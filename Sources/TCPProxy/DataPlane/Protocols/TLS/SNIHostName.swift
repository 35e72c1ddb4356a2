/// Syntax of SNI host names: labels of letters, digits, hyphens and underscores, separated by dots.
enum SNIHostName {
    /// Maximum length of a label (RFC 1035, 2.3.4).
    static let maxLabelLength = 63

    /// Converts a name to lower case in place, and returns its range without a trailing dot; nil if it is not a DNS
    /// name, but for example an IP address. Some clients send such names in spite of RFC 6066, 3.
    static func normalise(_ bytes: UnsafeMutableRawBufferPointer, in range: Range<Int>) -> Range<Int>? {
        var range = range
        if let last = range.last, bytes[last] == dot { range.removeLast() }
        guard range.count <= ClientHello.maxNameLength, !isAddress(range.lazy.map { bytes[$0] }) else { return nil }
        for place in range { bytes[place] = lowercased(bytes[place]) }
        return isWellFormed(range.lazy.map { bytes[$0] }) ? range : nil
    }

    /// Returns whether a lower-case name without a trailing dot is valid.
    static func isWellFormed(_ name: some Collection<UInt8>) -> Bool {
        guard (1...ClientHello.maxNameLength).contains(name.count) else { return false }
        var label = 0
        for byte in name {
            switch byte {
            case dot:
                guard label > 0 else { return false }
                label = 0
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                label += 1
                guard label <= maxLabelLength else { return false }
            default:
                return false
            }
        }
        return label > 0
    }

    /// Returns whether a name is an IPv6 address or consists only of digits and dots, like an IPv4 address.
    static func isAddress(_ name: some Collection<UInt8>) -> Bool {
        let figures = UInt8(ascii: "0")...UInt8(ascii: "9")
        return name.contains(UInt8(ascii: ":"))
            || name.contains(where: figures.contains) && name.allSatisfy { $0 == dot || figures.contains($0) }
    }

    static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    static let dot = UInt8(ascii: ".")
}
