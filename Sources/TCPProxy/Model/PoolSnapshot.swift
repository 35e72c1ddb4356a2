public import Balancing
public import Sockets

/// Metrics of a pool at one moment.
public struct PoolSnapshot: Sendable {
    /// Name of the pool.
    public var name: String
    /// Policy that selects the server; nil for a single upstream.
    public var policy: BalancingPolicy?
    /// Connections waiting for a server now.
    public var waiting: Int
    /// Connections that had to wait for a server.
    public var queued: Int
    /// Queued connections that exceeded the queue timeout of the pool.
    public var queueTimeouts: Int
    /// Connections rejected because the queue was full.
    public var queueOverflows: Int
    /// Failed connection attempts after which another server was selected, if one was left. Attempts that failed for
    /// lack of local resources (``ConnectFailure/exhausted``) are not counted.
    public var retries: Int
    /// Servers of the pool.
    public var servers: [ServerSnapshot]
}

/// Metrics of a server at one moment.
public struct ServerSnapshot: Sendable {
    /// Configuration of the server.
    public var configuration: ServerConfiguration
    /// Current state.
    public var state: ServerState
    /// Cause of the current state, worded as the end of a sentence; empty if there is none.
    public var cause: String
    /// Weight set by an administrator at run time in place of the configured one; nil if none was set.
    public var weightOverride: Int?
    /// Weight that the policy uses now, in the unit of the configured one: the weight set at run time or configured,
    /// reduced by slow start.
    public var effectiveWeight: Double
    /// Current connections to the server, including connection attempts.
    public var connections: Int
    /// Total number of established connections.
    public var connected: Int
    /// Failed connection attempts by cause; contains all causes, including zeros.
    public var connectFailures: [ConnectFailure: Int]
    /// Consecutive failed connection attempts since the last success.
    public var consecutiveFailures: Int
    /// Cause of the last failed TLS handshake; nil if there was none.
    public var tlsFailure: String?
    /// Durations of successful connection attempts.
    public var connectTime: DurationHistogram
    /// Total number of bytes relayed to the server.
    public var bytesUpstream: Int
    /// Total number of bytes relayed from the server.
    public var bytesDownstream: Int
    /// Closed connections by reason and initiating side; contains no zeros.
    public var closures: [MetricsSnapshot.Closure: Int]

    /// Whether the policy may send new connections to the server: its state allows it, and its weight is not 0.
    public var takesConnections: Bool { state.takesConnections && effectiveWeight > 0 }
}

/// Metrics of a listener at one moment.
public struct ListenerSnapshot: Sendable {
    /// Name of the listener.
    public var name: String
    /// Address of the listener, with port 0 replaced by the actual port.
    public var address: SocketAddress
    /// Name of its pool.
    public var pool: String
    /// Current number of connections.
    public var activeConnections: Int
    /// Total number of accepted connections.
    public var totalConnections: Int
    /// Connections closed immediately because no server was available.
    public var unservedConnections: Int
    /// Connections that the listener denied, by cause; contains all causes, including zeros. Connections rejected
    /// immediately after accept are in no other counter.
    public var deniedConnections: [DenyReason: Int]
    /// Total number of bytes relayed to servers.
    public var bytesUpstream: Int
    /// Total number of bytes relayed to clients.
    public var bytesDownstream: Int
    /// Connections beyond a limit that were admitted because the limits of the listener are only counted, by cause.
    public var dryRunDenials: [DenyReason: Int] = [:]
}
