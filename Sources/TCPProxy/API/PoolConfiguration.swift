public import Balancing

/// A group of servers and the policy that distributes clients over them.
public struct PoolConfiguration: Sendable, Equatable {
    /// The name used in metrics and logs; unique among the pools of a proxy.
    public var name: String
    /// Policy that selects the server for a connection. nil prefers the server that connected last and falls back to
    /// the others: the servers are the addresses of one upstream.
    public var policy: BalancingPolicy?
    /// The servers; at least one, at most ``maxServers``.
    public var servers: [ServerConfiguration]
    /// Maximum number of clients in the queue while all servers have reached their connection limit; 0 disables the
    /// queue; at most 1,000,000.
    public var queueLimit = Settings.queueLimit.defaultValue
    /// Maximum time in the queue for each client, 1 ms to one year; nil is unlimited.
    public var queueTimeout: Duration? = Settings.queueTimeout.defaultValue
    /// Behavior if no server is open.
    public var onAllDown = Settings.onAllDown.defaultValue
    /// Version of the PROXY protocol header that is sent to servers ahead of the client's bytes and carries the
    /// client's address; nil sends no header.
    public var proxyProtocol: ProxyProtocolVersion? = Settings.sendProxy.defaultValue

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

extension PoolConfiguration {
    /// Creates a pool of the addresses of one upstream, in the order in which they are tried.
    init(upstream name: String, at addresses: [SocketAddress]) {
        self.init(name: name, policy: nil, servers: addresses.map(ServerConfiguration.init))
    }
}
