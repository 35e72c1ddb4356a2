/// The name of a server as a TLS client gives it: labels of letters, figures, hyphens and underscores between dots.
enum ServerName {
    /// The longest label (RFC 1035, 2.3.4).
    static let longestLabel = 63

    /// Puts a name into lower case, where it stands, and leaves out the dot at its end.
    static func normalise(
        _ bytes: UnsafeMutableRawBufferPointer,
        in range: Range<Int>
    ) throws(ClientHello.Fault) -> Range<Int> {
        var range = range
        if let last = range.last, bytes[last] == dot { range.removeLast() }
        guard !isAddress(range.lazy.map { bytes[$0] }) else { throw .addressAsServerName }
        for place in range { bytes[place] = lowercased(bytes[place]) }
        guard isWellFormed(range.lazy.map { bytes[$0] }) else { throw .serverName }
        return range
    }

    /// Of a name in lower case, without a dot at its end.
    static func isWellFormed(_ name: some Collection<UInt8>) -> Bool {
        guard (1...ClientHello.longestName).contains(name.count) else { return false }
        var label = 0
        for byte in name {
            switch byte {
            case dot:
                guard label > 0 else { return false }
                label = 0
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                label += 1
                guard label <= longestLabel else { return false }
            default:
                return false
            }
        }
        return label > 0
    }

    /// Whether it is an IPv6 address or has nothing but figures and dots, as an IPv4 address does.
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
