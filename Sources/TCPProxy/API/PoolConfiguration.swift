public import Balancing
public import Sockets

/// A group of servers and the policy that distributes clients over them.
public struct PoolConfiguration: Sendable, Equatable {
    /// The name used in metrics and logs; unique among the pools of a proxy.
    public var name: String
    /// nil prefers the server that connected last and falls back to the others: the servers are the addresses of one
    /// upstream.
    public var policy: BalancingPolicy?
    /// At most ``maxServers``.
    public var servers: [ServerConfiguration]
    /// Maximum number of clients in the queue while all servers have reached their connection limit; 0 disables the
    /// queue.
    public var queueLimit = 1000
    /// Maximum time in the queue for each client; nil is unlimited.
    public var queueTimeout: Duration? = .seconds(5)
    /// What happens to a connection if no server is available.
    public var onAllDown = OnAllDown.refuse
    /// Version of the PROXY protocol header that is sent to servers ahead of the client's bytes and carries the
    /// client's address; nil sends no header.
    public var proxyProtocol: ProxyProtocolVersion?

    /// Behavior if no server is open.
    public enum OnAllDown: String, Sendable, CaseIterable {
        /// The client's connection is reset immediately.
        case refuse
        /// Servers that are down are tried nevertheless, because the health checks may be wrong.
        case tryAnyway = "try"
    }

    /// The maximum number of servers in one pool.
    public static let maxServers = 1024

    /// Creates a pool with default settings.
    public init(name: String, policy: BalancingPolicy?, servers: [ServerConfiguration]) {
        self.name = name
        self.policy = policy
        self.servers = servers
    }
}

/// A server of a pool.
public struct ServerConfiguration: Sendable, Hashable {
    /// The name used in metrics and logs; unique among the servers of a pool. Consistent hashing uses it as the key.
    public var name: String
    /// Address of the server.
    public var address: SocketAddress
    /// The weight relative to the other servers, 0-256; a server with weight 0 gets no new connections.
    public var weight = 1
    /// Whether the server gets connections only if no other server can take them.
    public var isBackup = false
    /// The maximum number of connections to this server from the whole process, at least 1; nil is unlimited.
    public var maxConnections: Int?

    /// Creates a server with weight 1.
    public init(name: String, address: SocketAddress) {
        self.name = name
        self.address = address
    }
}

/// An address to listen on, and the handling of the connections accepted there.
public struct ListenerConfiguration: Sendable {
    /// The name used in metrics and logs; unique among the listeners of a proxy.
    public var name: String
    /// Address to listen on; port 0 selects a free port.
    public var address: ServiceAddress
    /// The name of the pool to which the listener forwards.
    public var pool: String
    /// Pools for TLS clients, by SNI host name (RFC 6066, section 3); all other connections go to ``pool``. If this and
    /// ``alpnProtocols`` are empty, the ClientHello is not inspected and connections need not be TLS.
    public var sniPatterns: [SNIRoute] = []
    /// Pools for TLS clients, by ALPN protocol (RFC 7301), regardless of the SNI host name; at most
    /// ``maxALPNProtocols``. The first protocol in the client's list that has a pool here decides.
    public var alpnProtocols: [ALPNRoute] = []
    /// The maximum number of ALPN protocols with pools of their own.
    public static let maxALPNProtocols = 32
    /// Timeouts, TCP keep-alive, source addresses and backlog of this listener. Process-wide settings are ignored here.
    public var configuration: Configuration

    /// Creates a listener.
    public init(name: String, address: ServiceAddress, pool: String, configuration: Configuration = Configuration()) {
        self.name = name
        self.address = address
        self.pool = pool
        self.configuration = configuration
    }
}

/// The pool for TLS clients that request one of several SNI host names.
public struct SNIRoute: Sendable, Hashable {
    /// Patterns of the host names.
    public var names: [SNIPattern]
    /// The name of the pool that gets these clients.
    public var pool: String

    /// Creates a route.
    public init(names: [SNIPattern], pool: String) {
        self.names = names
        self.pool = pool
    }
}

/// The pool for TLS clients that offer one of several ALPN protocols.
public struct ALPNRoute: Sendable, Hashable {
    /// Protocols of the route.
    public var protocols: [ALPNProtocol]
    /// The name of the pool that gets these clients.
    public var pool: String

    /// Creates a route.
    public init(protocols: [ALPNProtocol], pool: String) {
        self.protocols = protocols
        self.pool = pool
    }
}

/// A version of the PROXY protocol (haproxy.org, doc/proxy-protocol.txt).
public enum ProxyProtocolVersion: String, Hashable, Sendable, CaseIterable {
    /// Human-readable: one line of text.
    case v1
    /// Binary, extensible with more than addresses.
    case v2
}

extension PoolConfiguration {
    /// Creates a pool of the addresses of one upstream, in the order in which they are tried.
    init(upstream name: String, at addresses: [SocketAddress]) {
        self.init(name: name, policy: nil, servers: addresses.map(ServerConfiguration.init))
    }
}

extension ServerConfiguration {
    /// Creates a server for one of the addresses of an upstream.
    init(_ address: SocketAddress) {
        self.init(name: "\(address)", address: address)
    }
}
