import Balancing
import Sockets

/// The resolved, immutable description of a pool that is sent to a worker.
struct PoolPlan: Sendable {
    struct Server: Sendable {
        var share: SharedServerState
        var address: RawAddress
        var isBackup = false
    }

    var share: SharedPoolState
    /// Load-balancing policy. nil prefers the server whose last connection attempt succeeded: the servers are the
    /// addresses of one upstream.
    var policy: BalancingPolicy?
    var servers: [Server]
    var table: MaglevTable?
    /// What the latency of a server is.
    var latency = PoolConfiguration.Latency.connect
    /// Difference of latencies from which on it counts, in nanoseconds.
    var latencyTolerance = Fastest.defaultTolerance
    var onAllDown = PoolConfiguration.OnAllDown.refuse
    /// Maximum number of clients waiting for a connection slot at a server; 0 disables the queue.
    var queueLimit = 0
    var queueTimeout: Duration?
    /// Maximum number of failed attempts of one connection.
    var maxAttempts = Int.max
    /// PROXY protocol version of the header that begins each connection to a server; nil sends no header.
    var proxyProtocol: ProxyProtocolVersion?
    /// Whether servers speak the PostgreSQL protocol: TLS with them begins with a request.
    var isPostgres = false
    /// TLS with the servers; nil sends them the bytes as they are.
    var tls: PoolTLSPlan?
}
