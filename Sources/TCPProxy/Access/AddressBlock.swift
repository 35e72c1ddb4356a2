public import Sockets

/// The addresses that begin alike: `10.0.0.0/8`, `2001:db8::/32`, or a single one (RFC 4632, RFC 4291, 2.3).
///
/// IPv4 in IPv6's form (`::ffff:10.0.0.0/104`) is IPv4. Other blocks of IPv6 have no IPv4 address in them, not even `::/0`:
/// all addresses are `0.0.0.0/0` and `::/0` together.
public struct AddressBlock: Hashable, Sendable {
    /// The first address of the block. Its port is 0.
    public let first: InternetAddress
    /// How many bits its addresses have in common: 0 to 32 of IPv4, 0 to 128 of IPv6.
    public let prefixLength: Int

    /// - Throws: what is wrong with the text, which it names.
    public init(parsing text: String) throws(AddressBlockError) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        // A block that is bound to one interface is no block of addresses that a client can have.
        guard let host = parts.first, !host.contains("%"), let first = InternetAddress(host: String(host), port: 0)
        else { throw AddressBlockError(text: text, problem: .badAddress) }
        let isWrittenAsIPv6 = host.contains(":")
        var length = isWrittenAsIPv6 ? 128 : 32
        if parts.count == 2 {
            guard let written = Self.number(parts[1]), written <= length else {
                throw AddressBlockError(text: text, problem: .badLength(String(parts[1]), longest: length))
            }
            length = written
        }
        // Shorter ones than 96 have bits of IPv4's own prefix behind them, and are refused for that.
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
            throw AddressBlockError(text: text, problem: .bitsBehindPrefix("\(block.host)/\(length)"))
        }
        self.first = first
        prefixLength = length
    }

    /// - Precondition: the address has no bits behind the prefix.
    init(first: InternetAddress, prefixLength: Int) {
        self.first = first
        self.prefixLength = prefixLength
        precondition(first.bits & ~Self.mask(wholePrefixLength) == 0, "an address with bits behind its prefix")
    }

    /// A single address.
    public init(_ address: InternetAddress) {
        first = InternetAddress(high: address.high, low: address.low, port: 0)
        prefixLength = address.isIPv4 ? 32 : 128
    }

    public func contains(_ address: InternetAddress) -> Bool {
        address.isIPv4 == first.isIPv4 && address.bits & Self.mask(wholePrefixLength) == first.bits
    }

    /// Of all 128 bits.
    var wholePrefixLength: Int { first.isIPv4 ? prefixLength + 96 : prefixLength }

    static func mask(_ length: Int) -> UInt128 {
        length == 0 ? 0 : ~0 << UInt128(128 - length)
    }

    /// One to three figures, without zeros before them.
    private static func number(_ text: Substring) -> Int? {
        guard (1...3).contains(text.utf8.count), text == "0" || text.utf8.first != UInt8(ascii: "0"),
            text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return Int(text)
    }
}

extension AddressBlock: CustomStringConvertible {
    /// As it is written: `10.0.0.0/8`, and a single address without its length.
    public var description: String {
        prefixLength == (first.isIPv4 ? 32 : 128) ? first.host : "\(first.host)/\(prefixLength)"
    }
}

extension InternetAddress {
    /// All bits, IPv4 in IPv6's form.
    var bits: UInt128 { UInt128(high) << 64 | UInt128(low) }
}

/// Why a text is no block of addresses.
public struct AddressBlockError: Error, Hashable, Sendable {
    public enum Problem: Hashable, Sendable {
        case badAddress
        /// What stands behind the slash is no number from 0 to the longest.
        case badLength(String, longest: Int)
        /// The address has more bits than its prefix; the block that was meant, perhaps.
        case bitsBehindPrefix(String)
    }

    /// What was written.
    public let text: String
    public let problem: Problem
}

extension AddressBlockError: CustomStringConvertible {
    /// One sentence that says what is wrong and how to mend it.
    public var description: String {
        switch problem {
        case .badAddress:
            "'\(text)' is no IP address or block of them: write it as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32"
        case .badLength(let length, let longest):
            "'\(text)' has the prefix length '\(length)', which is no number from 0 to \(longest)"
        case .bitsBehindPrefix(let block):
            "'\(text)' has bits behind its prefix: write the whole block as \(block), or the address alone"
        }
    }
}
