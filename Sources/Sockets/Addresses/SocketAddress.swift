public import CLinux
import Glibc

/// An IPv4 or IPv6 address with a port, as plain data.
///
/// Both families are stored as 128 bits. IPv4 is stored as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that a client that
/// reached a dual-stack listener over IPv4 has the same identity everywhere.
public struct InternetAddress: Hashable, Sendable {
    /// The first and the last eight bytes, most significant byte first.
    public var high: UInt64
    public var low: UInt64
    public var port: UInt16
    /// The interface index of a link-local IPv6 address; 0 for none (RFC 4007).
    public var scope: UInt32

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
    public var description: String {
        isIPv4 ? "\(host):\(port)" : "[\(host)]:\(port)"
    }
}

/// The address of a listening or connecting stream socket: an internet address or the path of a Unix socket.
public enum SocketAddress: Hashable, Sendable {
    case internet(InternetAddress)
    /// A path of at most 107 bytes (unix(7)).
    case unix(path: String)

    /// The maximum length of a Unix socket's path, in bytes.
    public static let longestUnixPath = 107

    /// The port; nil for a Unix socket.
    public var port: UInt16? {
        if case .internet(let address) = self { address.port } else { nil }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// The notation of the command line: `127.0.0.1:80`, `[::1]:80`, `unix:/path`.
    public var description: String {
        switch self {
        case .internet(let address): address.description
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// The address of the peer of an accepted connection, as plain data. Clients of a Unix socket are unnamed.
public enum PeerAddress: Hashable, Sendable {
    case internet(InternetAddress)
    case unix
}

extension PeerAddress: CustomStringConvertible {
    /// `127.0.0.1:54321`, `[::1]:54321` or `unix:`.
    public var description: String {
        switch self {
        case .internet(let address): address.description
        case .unix: "unix:"
        }
    }
}

/// A socket address in the kernel's format, ready to be passed to a system call.
public struct RawAddress: Sendable {
    public var address: linux_address

    public init() {
        address = linux_address()
    }

    public init(_ internet: InternetAddress) {
        self.init()
        if internet.isIPv4 {
            address.v4.sin_family = sa_family_t(AF_INET)
            address.v4.sin_port = internet.port.bigEndian
            address.v4.sin_addr.s_addr = UInt32(truncatingIfNeeded: internet.low).bigEndian
            address.length = socklen_t(MemoryLayout<sockaddr_in>.size)
        } else {
            address.v6.sin6_family = sa_family_t(AF_INET6)
            address.v6.sin6_port = internet.port.bigEndian
            address.v6.sin6_scope_id = internet.scope
            withUnsafeMutableBytes(of: &address.v6.sin6_addr) { bytes in
                bytes.storeBytes(of: internet.high.bigEndian, toByteOffset: 0, as: UInt64.self)
                bytes.storeBytes(of: internet.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            address.length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        }
    }

    public init(_ socketAddress: SocketAddress) {
        switch socketAddress {
        case .internet(let internet):
            self.init(internet)
        case .unix(let path):
            self.init()
            address.local.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(path.utf8.prefix(SocketAddress.longestUnixPath))
            withUnsafeMutableBytes(of: &address.local.sun_path) { $0.copyBytes(from: bytes) }
            address.length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + 1)
        }
    }

    @inlinable
    public var family: Int32 { Int32(address.any.sa_family) }

    @inlinable
    public var isUnix: Bool { family == 1 }

    /// Sets the port to 0, so that the system chooses one.
    public mutating func clearPort() {
        // The port has the same offset in both families' structures.
        if !isUnix { address.v4.sin_port = 0 }
    }

    /// The address as a peer address, without the path of a Unix socket.
    @inlinable
    public var peer: PeerAddress {
        switch family {
        case 2:
            return .internet(
                InternetAddress(
                    v4: UInt32(bigEndian: address.v4.sin_addr.s_addr),
                    port: UInt16(bigEndian: address.v4.sin_port)
                )
            )
        case 10:
            let (high, low) = withUnsafeBytes(of: address.v6.sin6_addr) { bytes in
                (
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
            return .internet(
                InternetAddress(
                    high: high,
                    low: low,
                    port: UInt16(bigEndian: address.v6.sin6_port),
                    scope: address.v6.sin6_scope_id
                )
            )
        default:
            return .unix
        }
    }

    public var socketAddress: SocketAddress {
        switch peer {
        case .internet(let address):
            return .internet(address)
        case .unix:
            let path = withUnsafeBytes(of: address.local.sun_path) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            return .unix(path: path)
        }
    }
}

extension RawAddress: Equatable {
    public static func == (left: RawAddress, right: RawAddress) -> Bool { left.socketAddress == right.socketAddress }
}
