/// A domain name, in the form that it has in a message: each label with its length before it, a zero at the end, and all
/// letters small, since names are compared without regard to case (RFC 1035, 3.1; RFC 4343).
public struct DNSName: Hashable, Sendable {
    /// At most ``longest`` bytes.
    let wire: [UInt8]

    /// The longest name, in bytes of its form in a message (RFC 1035, 2.3.4).
    static let longest = 255
    static let longestLabel = 63

    /// The name that is no name: as the target of a service it says that there is no such service (RFC 2782).
    static let root = DNSName(wire: [0])

    private init(wire: [UInt8]) {
        self.wire = wire
    }

    /// Puts a name together; nil if a label, or all of it, is too long or empty.
    init?(labels: some Sequence<some Collection<UInt8>>) {
        var wire: [UInt8] = []
        for label in labels {
            guard (1...Self.longestLabel).contains(label.count) else { return nil }
            wire.append(UInt8(label.count))
            wire += label.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
            guard wire.count < Self.longest else { return nil }
        }
        wire.append(0)
        self.wire = wire
    }

    /// Reads a name as people write it, with or without the dot at its end: letters, digits, hyphens and underscores.
    public init?(_ text: String) {
        var labels = text.split(separator: ".", omittingEmptySubsequences: false)
        if labels.count > 1, labels.last?.isEmpty == true { labels.removeLast() }
        let isPlain = labels.allSatisfy { label in
            label.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
                default: false
                }
            }
        }
        guard isPlain else { return nil }
        self.init(labels: labels.map { Array($0.utf8) })
    }
}

extension DNSName: CustomStringConvertible {
    /// Without the dot at its end. What no host's name has is written as a backslash and three digits (RFC 1035, 5.1).
    public var description: String {
        var labels: [String] = []
        var rest = wire[...]
        while let length = rest.first, length > 0 {
            labels.append(rest.dropFirst().prefix(Int(length)).map(Self.written).joined())
            rest = rest.dropFirst(1 + Int(length))
        }
        return labels.isEmpty ? "." : labels.joined(separator: ".")
    }

    private static func written(_ byte: UInt8) -> String {
        // A dot within a label, and the backslash itself, would be read as something else.
        if (0x21...0x7E).contains(byte), byte != 0x2E, byte != 0x5C { return String(UnicodeScalar(byte)) }
        let digits = String(byte)
        return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
    }
}
