public import Balancing
public import Sockets

/// Servers that clients are spread over, and how.
public struct PoolConfiguration: Sendable, Equatable {
    /// Told in metrics and logs; no two pools of a proxy have the same.
    public var name: String
    /// nil takes the server that answered last, and the others where it does not: they are one upstream's addresses.
    public var policy: Policy?
    /// At most ``mostServers``.
    public var servers: [ServerConfiguration]
    /// Clients that may wait for a place where each server has as many connections as it may; 0 refuses them.
    public var queueLimit = 1000
    /// How long each of them waits at most; nil is for ever.
    public var queueTimeout: Duration? = .seconds(5)
    public var whenAllDown = WhenAllDown.refuse
    /// Servers are told by the PROXY protocol, ahead of the client's bytes, who the client is; nil tells them nothing.
    public var proxyProtocol: ProxyProtocolVersion?

    /// What becomes of a client whom no server is open for.
    public enum WhenAllDown: String, Sendable, CaseIterable {
        /// He is reset at once.
        case refuse
        /// Servers that are down are tried, for the checks may be wrong.
        case tryAnyway = "try"
    }

    /// The most servers of one pool.
    public static let mostServers = 1024

    public init(name: String, policy: Policy?, servers: [ServerConfiguration]) {
        self.name = name
        self.policy = policy
        self.servers = servers
    }
}

/// A server of a pool.
public struct ServerConfiguration: Sendable, Hashable {
    /// Told in metrics and logs; no two servers of a pool have the same. Consistent hashing goes by it.
    public var name: String
    public var address: SocketAddress
    /// Its share of the connections beside that of the others, 0 to 256; 0 takes no new ones.
    public var weight = 1
    /// Gets connections only where no other server can.
    public var isBackup = false
    /// The most connections of the whole process to it, 1 at least; nil is as many as come.
    public var maxConnections: Int?

    public init(name: String, address: SocketAddress) {
        self.name = name
        self.address = address
    }
}

/// An address to listen at, and what becomes of those who connect to it.
public struct ListenerConfiguration: Sendable {
    /// Told in metrics and logs; no two listeners of a proxy have the same.
    public var name: String
    public var address: ServiceAddress
    /// The name of the pool whose servers it forwards to.
    public var pool: String
    /// Pools for TLS clients that ask for certain servers (RFC 6066, 3); all others go to ``pool``. Where this
    /// and ``applicationProtocols`` are empty, clients' hellos are left alone, and they need not be TLS.
    public var serverNames: [ServerNameRoute] = []
    /// Pools for TLS clients that offer certain protocols (RFC 7301), whatever server they ask for;
    /// ``mostApplicationProtocols`` at most. The first one counts that a client offers and that has a pool here.
    public var applicationProtocols: [ApplicationProtocolRoute] = []
    /// How many protocols can have pools of their own.
    public static let mostApplicationProtocols = 32
    /// Its connections' time-outs, keep-alive, source addresses, and the length of its queue. What is the whole process's is
    /// not read here.
    public var configuration: Configuration

    public init(name: String, address: ServiceAddress, pool: String, configuration: Configuration = Configuration()) {
        self.name = name
        self.address = address
        self.pool = pool
        self.configuration = configuration
    }
}

/// Where TLS clients are sent that ask for a server by one of some names.
public struct ServerNameRoute: Sendable, Hashable {
    public var names: [ServerNamePattern]
    /// The name of the pool that they are sent to.
    public var pool: String

    public init(names: [ServerNamePattern], pool: String) {
        self.names = names
        self.pool = pool
    }
}

/// Where TLS clients are sent that offer one of some protocols.
public struct ApplicationProtocolRoute: Sendable, Hashable {
    public var protocols: [ApplicationProtocol]
    /// The name of the pool that they are sent to.
    public var pool: String

    public init(protocols: [ApplicationProtocol], pool: String) {
        self.protocols = protocols
        self.pool = pool
    }
}

/// A version of the PROXY protocol (haproxy.org, doc/proxy-protocol.txt).
public enum ProxyProtocolVersion: String, Hashable, Sendable, CaseIterable {
    /// A line of text.
    case v1
    /// Binary, with room for more than addresses.
    case v2
}

extension PoolConfiguration {
    /// The addresses of one upstream, in the order in which they are tried.
    init(upstream name: String, at addresses: [SocketAddress]) {
        self.init(name: name, policy: nil, servers: addresses.map(ServerConfiguration.init))
    }
}

extension ServerConfiguration {
    /// One of the addresses of an upstream.
    init(_ address: SocketAddress) {
        self.init(name: "\(address)", address: address)
    }
}
