import Glibc

/// The address of a listening or connecting stream socket: an internet address or the path of a Unix socket.
public enum SocketAddress: Hashable, Sendable {
    /// An internet address.
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
