public import Balancing
public import Sockets

/// A pool's figures at one moment.
public struct PoolSnapshot: Sendable {
    public var name: String
    public var policy: Policy?
    /// Clients that wait now for a place at a server.
    public var waiting: Int
    /// Clients that had to wait.
    public var queued: Int
    /// Of those, the ones who waited longer than the pool lets them.
    public var queueTimeouts: Int
    /// Clients refused since as many waited as may.
    public var queueOverflows: Int
    /// Attempts to connect that followed one that had failed, to another server if there was one.
    public var retries: Int
    public var servers: [ServerSnapshot]
}

/// A server's figures at one moment.
public struct ServerSnapshot: Sendable {
    public var configuration: ServerConfiguration
    public var state: ServerState
    /// What has brought it into its state, as the end of a sentence; empty where nothing has.
    public var cause: String
    /// Its weight in place of the configured one, if somebody has ordered so while the proxy runs.
    public var orderedWeight: Int?
    /// Connections to it now, and attempts to connect.
    public var connections: Int
    /// Connections that it has taken.
    public var connected: Int
    public var connectFailures: [ConnectFailure: Int]
    /// How many of these came after the last success.
    public var failuresInARow: Int
    public var connectTime: DurationHistogram
    public var bytesUpstream: Int
    public var bytesDownstream: Int
    /// Ended connections by why and by whom; only what has happened is there.
    public var closures: [MetricsSnapshot.Closure: Int]
}

/// Whether new connections go to a server, and if not, why.
public enum ServerState: String, Sendable, CaseIterable {
    case up
    /// Not checked yet, or never checked at all. Connections go there.
    case unchecked
    /// Its checks fail.
    case down
    /// Clients' attempts to connect to it have failed too often; it comes back after a while.
    case ejected
    /// It takes no new connections, since somebody said so; those that it has go on.
    case draining
    /// The same, and those that it had were reset.
    case disabled

    public var takesConnections: Bool { self == .up || self == .unchecked }
}

/// A listener's figures at one moment.
public struct ListenerSnapshot: Sendable {
    public var name: String
    /// Where it listens, port 0 resolved.
    public var address: SocketAddress
    public var pool: String
    public var activeConnections: Int
    public var totalConnections: Int
    /// Clients ended at once because no server could be reached.
    public var refusedConnections: Int
    /// Clients whom the listener did not let in, by cause; each cause is there, most with zero. Those who were turned away as
    /// soon as they had been accepted are in no other figure.
    public var deniedConnections: [DenialCause: Int]
    public var bytesUpstream: Int
    public var bytesDownstream: Int
}
