public import Balancing
import ValueFormats

/// A group of servers and the policy that distributes clients over them.
public struct PoolConfiguration: Sendable, Equatable {
    /// The name used in metrics and logs; unique among the pools of a proxy.
    public var name: String
    /// Policy that selects the server for a connection. nil prefers the server that connected last and falls back to
    /// the others: the servers are the addresses of one upstream.
    public var policy: BalancingPolicy?
    /// What the policy `fastest` compares; other policies ignore it.
    public var fastestBy = Settings.fastestBy.defaultValue
    /// Difference of latencies below which the policy `fastest` treats servers as equally fast, 0 to one year; differences
    /// of less than 10 % never count.
    public var fastestTolerance = Settings.fastestTolerance.defaultValue
    /// The servers; at least one, at most ``maxServers``.
    public var servers: [ServerConfiguration]
    /// Maximum number of clients in the queue while all servers have reached their connection limit; 0 disables the
    /// queue; at most 1,000,000.
    public var queueLimit = Settings.queueLimit.defaultValue
    /// Maximum time in the queue for each client, 1 ms to one year; nil is unlimited.
    public var queueTimeout: Duration? = Settings.queueTimeout.defaultValue
    /// Behavior if no server is open.
    public var onAllDown = Settings.onAllDown.defaultValue
    /// Maximum number of further attempts after a failed one, on other servers, 1 to 1,023; nil makes a single attempt.
    public var retry: Int? = Settings.retry.defaultValue
    /// Version of the PROXY protocol header that is sent to servers ahead of the client's bytes and carries the
    /// client's address; nil sends no header.
    public var proxyProtocol: ProxyProtocolVersion? = Settings.sendProxy.defaultValue

    /// Protocol of the servers. With ``ConnectionProtocol/postgres``, TLS with them begins with a request.
    public var connectionProtocol = Settings.connectionProtocol.defaultValue

    /// TLS with servers; nil sends them the bytes as they are.
    public var tls: PoolTLS?

    /// Behavior if no server is open.
    public enum OnAllDown: String, Sendable, CaseIterable {
        /// The client's connection is reset immediately.
        case refuse
        /// Servers that are down are tried nevertheless, because the health checks may be wrong.
        case tryAnyway = "try"
        /// The client waits in the queue until a server is up, within the limits of the queue.
        case queue
    }

    /// What the latency of a server is.
    public enum Latency: String, Sendable, CaseIterable {
        /// The duration of a connection attempt.
        case connect
        /// The time from the last bytes sent to the server, or from the established connection if the server sends
        /// first, until the server's first byte.
        case firstByte = "first-byte"
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
