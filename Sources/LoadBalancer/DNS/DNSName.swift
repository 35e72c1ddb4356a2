/// Domain name in wire format: each label preceded by its length, a terminating zero byte, and lowercase letters,
/// because names are compared case-insensitively (RFC 1035, 3.1; RFC 4343).
package struct DNSName: Hashable, Sendable {
    /// At most ``maxLength`` bytes.
    let wire: [UInt8]

    /// Maximum length of a name in wire format, in bytes (RFC 1035, 2.3.4).
    static let maxLength = 255
    static let maxLabelLength = 63

    /// The root name. As the target of an SRV record it means that the service is not available (RFC 2782).
    static let root = DNSName(wire: [0])

    private init(wire: [UInt8]) {
        self.wire = wire
    }

    /// Creates a name from its labels; returns nil if a label is empty or too long, or the name is too long. An empty
    /// list of labels gives the root name.
    init?(labels: some Sequence<some Collection<UInt8>>) {
        var wire: [UInt8] = []
        for label in labels {
            guard (1...Self.maxLabelLength).contains(label.count) else { return nil }
            wire.append(UInt8(label.count))
            wire += label.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
            guard wire.count < Self.maxLength else { return nil }
        }
        wire.append(0)
        self.wire = wire
    }

    /// Parses a name with or without a trailing dot. Labels may have letters, digits, hyphens and underscores.
    package init?(_ text: String) {
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
    /// Has no trailing dot. Dots within a label, backslashes and bytes that are not visible ASCII are written as a
    /// backslash and three decimal digits (RFC 1035, 5.1).
    package var description: String {
        var labels: [String] = []
        var rest = wire[...]
        while let length = rest.first, length > 0 {
            labels.append(rest.dropFirst().prefix(Int(length)).map(Self.written).joined())
            rest = rest.dropFirst(1 + Int(length))
        }
        return labels.isEmpty ? "." : labels.joined(separator: ".")
    }

    private static func written(_ byte: UInt8) -> String {
        // A dot within a label would be read as a separator, and a backslash as an escape.
        if (0x21...0x7E).contains(byte), byte != 0x2E, byte != 0x5C { return String(UnicodeScalar(byte)) }
        let digits = String(byte)
        return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
    }
}
