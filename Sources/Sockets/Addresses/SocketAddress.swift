import Glibc

/// The address of a listening or connecting stream socket: an internet address or the path of a Unix socket.
public enum SocketAddress: Hashable, Sendable {
    /// An internet address.
    case internet(InternetAddress)
    /// A path of at most 107 bytes (unix(7)). One that begins with `@` is a name in the abstract namespace of the
    /// kernel, which has no file; a file of that name is written `./@name`.
    case unix(path: String)

    /// The maximum length of a Unix socket's path, in bytes.
    public static let maxUnixPathLength = 107

    /// Whether the address is a name in the abstract namespace of Unix sockets.
    public var isAbstract: Bool {
        if case .unix(let path) = self { path.hasPrefix("@") } else { false }
    }

    /// The port; nil for a Unix socket.
    public var port: UInt16? {
        if case .internet(let address) = self { address.port } else { nil }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// The notation of the command line: `127.0.0.1:80`, `[::1]:80`, `unix:/path`, `unix:@name`.
    public var description: String {
        switch self {
        case .internet(let address): address.description
        case .unix(let path): "unix:\(path)"
        }
    }
}

extension SocketAddress {
    /// All IPv4 interfaces, for the address of all interfaces of IPv6 and IPv4 (`[::]:8080`) if IPv6 is not available; nil
    /// for any other address.
    public var ipv4Fallback: SocketAddress? {
        guard case .internet(let address) = self, address.high == 0, address.low == 0 else { return nil }
        return .internet(InternetAddress(v4: 0, port: address.port))
    }

    /// Whether a socket that was to listen here listens at the ``ipv4Fallback`` instead.
    public func isReplaced(by actual: SocketAddress) -> Bool {
        guard let fallback = ipv4Fallback, case .internet(let wanted) = fallback, case .internet(let actual) = actual
        else { return false }
        return actual.high == wanted.high && actual.low == wanted.low
    }
}
