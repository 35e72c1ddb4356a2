public import CLinux
import Glibc

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
            var bytes = Array(path.utf8.prefix(SocketAddress.maxUnixPathLength))
            // An abstract name begins with a zero byte, and its length is that of the address.
            if socketAddress.isAbstract { bytes[0] = 0 }
            withUnsafeMutableBytes(of: &address.local.sun_path) { $0.copyBytes(from: bytes) }
            let end = socketAddress.isAbstract ? 0 : 1
            address.length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + end)
        }
    }

    @inlinable
    public var family: Int32 { Int32(address.any.sa_family) }

    @inlinable
    public var isUnix: Bool { family == 1 }

    /// The port; 0 for a Unix socket.
    @inlinable
    public var port: UInt16 { isUnix ? 0 : UInt16(bigEndian: address.v4.sin_port) }

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
            let count = Int(address.length) - MemoryLayout<sa_family_t>.size
            let path = withUnsafeBytes(of: address.local.sun_path) { bytes in
                guard count > 1, bytes[0] == 0 else { return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
                return "@" + String(decoding: bytes[1..<min(count, bytes.count)], as: UTF8.self)
            }
            return .unix(path: path)
        }
    }
}

extension RawAddress: Equatable {
    public static func == (left: RawAddress, right: RawAddress) -> Bool { left.socketAddress == right.socketAddress }
}
