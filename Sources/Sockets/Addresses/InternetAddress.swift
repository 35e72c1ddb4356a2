import CLinux
import Glibc

/// An IPv4 or IPv6 address with a port, as plain data.
///
/// Both families are stored as 128 bits. IPv4 is stored as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that a client that
/// reached a dual-stack listener over IPv4 has the same identity everywhere.
public struct InternetAddress: Hashable, Sendable {
    /// The first eight bytes, most significant byte first.
    public var high: UInt64
    /// The last eight bytes, most significant byte first.
    public var low: UInt64
    /// The port, 0 to 65535.
    public var port: UInt16
    /// The interface index of a link-local IPv6 address; 0 for none (RFC 4007).
    public var scope: UInt32

    /// Creates an address from its bytes.
    @inlinable
    public init(high: UInt64, low: UInt64, port: UInt16, scope: UInt32 = 0) {
        self.high = high
        self.low = low
        self.port = port
        self.scope = scope
    }

    /// Creates an IPv4 address.
    @inlinable
    public init(v4 bits: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(bits), port: port)
    }

    /// Whether this is an IPv4 address.
    @inlinable
    public var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// The address in its usual notation without the port: `127.0.0.1`, `::1`, `fe80::1%2`.
    public var host: String {
        var raw = RawAddress(self)
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        if isIPv4 {
            inet_ntop(AF_INET, &raw.address.v4.sin_addr, &text, socklen_t(text.count))
        } else {
            inet_ntop(AF_INET6, &raw.address.v6.sin6_addr, &text, socklen_t(text.count))
        }
        let host = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return scope == 0 ? host : "\(host)%\(scope)"
    }

    /// Parses a numeric address; returns nil for anything else, such as a host name.
    public init?(host: String, port: UInt16) {
        // C functions would parse only the text before the first NUL byte.
        guard !host.utf8.contains(0) else { return nil }
        var v4 = in_addr()
        if inet_pton(AF_INET, host, &v4) == 1 {
            self.init(v4: UInt32(bigEndian: v4.s_addr), port: port)
            return
        }
        let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var v6 = in6_addr()
        guard let digits = parts.first, inet_pton(AF_INET6, String(digits), &v6) == 1 else { return nil }
        var scope: UInt32 = 0
        if parts.count == 2 {
            let isNumber = parts[1].allSatisfy { $0.isASCII && $0.isNumber }
            scope = (isNumber ? UInt32(parts[1]) : nil) ?? if_nametoindex(String(parts[1]))
            guard scope != 0 else { return nil }
        }
        let (high, low) = withUnsafeBytes(of: v6) { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        self.init(high: high, low: low, port: port, scope: scope)
        // IPv4 has no scope, regardless of the notation.
        if isIPv4, scope != 0 { return nil }
    }
}

extension InternetAddress: CustomStringConvertible {
    /// The host and the port: `127.0.0.1:80`, `[::1]:80`.
    public var description: String {
        isIPv4 ? "\(host):\(port)" : "[\(host)]:\(port)"
    }
}
