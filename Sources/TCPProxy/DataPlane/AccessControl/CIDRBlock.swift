public import Sockets

/// A CIDR block such as `10.0.0.0/8` or `2001:db8::/32`, or a single address (RFC 4632; RFC 4291, section 2.3).
///
/// IPv4-mapped IPv6 notation (`::ffff:10.0.0.0/104`) is converted to IPv4. Other IPv6 blocks contain no IPv4 address,
/// not even `::/0`: all addresses are `0.0.0.0/0` and `::/0` together.
public struct CIDRBlock: Hashable, Sendable {
    /// The first address of the block. Its port is 0.
    public let first: InternetAddress
    /// The prefix length in bits: 0-32 for IPv4, 0-128 for IPv6.
    public let prefixLength: Int

    /// - Throws: ``CIDRBlockError``, which contains the invalid text and the reason.
    public init(parsing text: String) throws(CIDRBlockError) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        // A scoped address (`%eth0`) is not a CIDR block.
        guard let host = parts.first, !host.contains("%"), let first = InternetAddress(host: String(host), port: 0)
        else { throw CIDRBlockError(text: text, problem: .badAddress) }
        let isWrittenAsIPv6 = host.contains(":")
        var length = isWrittenAsIPv6 ? 128 : 32
        if parts.count == 2 {
            guard let written = Self.number(parts[1]), written <= length else {
                throw CIDRBlockError(text: text, problem: .badLength(String(parts[1]), max: length))
            }
            length = written
        }
        // A prefix shorter than 96 leaves bits of the IPv4-mapped prefix set after it and is rejected below for that
        // reason.
        if first.isIPv4, isWrittenAsIPv6, length >= 96 { length -= 96 }
        let width = first.isIPv4 && length <= 32 ? 32 : 128
        let mask = Self.mask(length + 128 - width)
        guard first.bits & ~mask == 0 else {
            let masked = first.bits & mask
            let block = InternetAddress(
                high: UInt64(masked >> 64),
                low: UInt64(truncatingIfNeeded: masked),
                port: 0
            )
            throw CIDRBlockError(text: text, problem: .bitsBehindPrefix("\(block.host)/\(length)"))
        }
        self.first = first
        prefixLength = length
    }

    /// - Precondition: the address has no bits set after the prefix.
    init(first: InternetAddress, prefixLength: Int) {
        self.first = first
        self.prefixLength = prefixLength
        precondition(first.bits & ~Self.mask(wholePrefixLength) == 0, "the address has bits set after its prefix")
    }

    /// Creates a block that contains a single address.
    public init(_ address: InternetAddress) {
        first = InternetAddress(high: address.high, low: address.low, port: 0)
        prefixLength = address.isIPv4 ? 32 : 128
    }

    /// Returns whether the address is in the block; the port is ignored.
    public func contains(_ address: InternetAddress) -> Bool {
        address.isIPv4 == first.isIPv4 && address.bits & Self.mask(wholePrefixLength) == first.bits
    }

    /// The prefix length within the 128-bit form of the address.
    var wholePrefixLength: Int { first.isIPv4 ? prefixLength + 96 : prefixLength }

    static func mask(_ length: Int) -> UInt128 {
        length == 0 ? 0 : ~0 << UInt128(128 - length)
    }

    /// Parses a number of one to three digits without leading zeros.
    private static func number(_ text: Substring) -> Int? {
        guard (1...3).contains(text.utf8.count), text == "0" || text.utf8.first != UInt8(ascii: "0"),
            text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return Int(text)
    }
}

extension CIDRBlock: CustomStringConvertible {
    /// CIDR notation such as `10.0.0.0/8`; a single address without a prefix length.
    public var description: String {
        prefixLength == (first.isIPv4 ? 32 : 128) ? first.host : "\(first.host)/\(prefixLength)"
    }
}

extension InternetAddress {
    /// All 128 bits of the address; IPv4 in IPv4-mapped form.
    var bits: UInt128 { UInt128(high) << 64 | UInt128(low) }
}

/// The reason why a text is not a CIDR block.
public struct CIDRBlockError: Error, Hashable, Sendable {
    /// What is wrong with the text.
    public enum Problem: Hashable, Sendable {
        /// The part before the slash is not an IP address.
        case badAddress
        /// The text after the slash is not a number from 0 to the maximum.
        case badLength(String, max: Int)
        /// The address has bits set after the prefix; the value is the probably intended block.
        case bitsBehindPrefix(String)
    }

    /// The invalid text.
    public let text: String
    /// What is wrong with it.
    public let problem: Problem
}

extension CIDRBlockError: CustomStringConvertible {
    /// One sentence that states the error and how to fix it.
    public var description: String {
        switch problem {
        case .badAddress:
            "'\(text)' is not an IP address or CIDR block: write it as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32"
        case .badLength(let length, let max):
            "invalid prefix length '\(length)' in '\(text)': must be 0-\(max)"
        case .bitsBehindPrefix(let block):
            "'\(text)' has bits set after its prefix: write the block as \(block), or the address alone"
        }
    }
}
