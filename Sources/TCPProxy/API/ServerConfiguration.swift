public import Sockets
import ValueFormats

/// A server of a pool.
public struct ServerConfiguration: Sendable, Hashable {
    /// The name used in metrics and logs; unique among the servers of a pool. Consistent hashing uses it as the key.
    public var name: String
    /// The address to connect to.
    public var address: SocketAddress
    /// The weight relative to the other servers, 0-256; a server with weight 0 gets no new connections.
    public var weight = Settings.weight.defaultValue
    /// Whether the server gets connections only if no other server can take them.
    public var isBackup = Settings.backup.defaultValue
    /// The maximum number of connections to this server from the whole process, 1 to 1,000,000; nil is
    /// unlimited.
    public var maxConnections: Int? = Settings.maxConnections.defaultValue

    /// The host name that ``address`` was resolved from; nil if it was configured. With TLS to the server, the certificate
    /// must have this name.
    public var host: String?

    /// Why the server's name has no address yet; nil if it has one. Such a server gets no connections, and its
    /// `address` is ``unresolvedAddress``.
    public var resolutionFailure: String?

    /// The address of a server whose name is not resolved: a port of 0 is never connected to.
    public static let unresolvedAddress = SocketAddress.internet(InternetAddress(v4: 0, port: 0))

    /// Creates a server with default settings.
    public init(name: String, address: SocketAddress) {
        self.name = name
        self.address = address
    }
}

extension ServerConfiguration {
    /// The name or IP address that the server's certificate must have.
    package var hostName: String {
        if let host { return host }
        guard case .internet(let address) = address else { return name }
        return address.host
    }

    /// Creates a server for one of the addresses of an upstream.
    init(_ address: SocketAddress) {
        self.init(name: "\(address)", address: address)
    }
}
