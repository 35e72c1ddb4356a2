import ProcessSupport
public import Relay
public import Sockets

/// Settings of a proxy, with defaults that suit most deployments.
///
/// ``Proxy`` validates them when it is bound and throws ``ProxyError/badSetting(name:value:allowed:)`` for the first
/// value out of range.
public struct Configuration: Sendable {
    /// Number of worker threads, 1 to 64; by default one per processor available to the process.
    public var threads: Int = Configuration.availableProcessors

    /// Maximum number of open connections over all workers, 1 to 1,000,000. Further connections wait in the accept
    /// queue. nil derives the maximum from the descriptor limit, which ``Proxy`` first raises to the hard limit.
    public var maxConnections: Int?

    /// Length of each worker's accept queue, 1 to 65,535; the kernel caps it at net.core.somaxconn.
    public var backlog: Int = 4096

    /// Local addresses for outgoing connections, used in turn; if empty, the kernel chooses. Ports are ignored.
    public var sourceAddresses: [InternetAddress] = []

    /// Whether bytes are copied or spliced; `auto` decides per direction of each connection, based on its traffic.
    public var engine: RelayEngine = .auto

    /// Maximum number of pipes per worker that hold bytes for slow receivers, 0 to 4,096; beyond it the worker copies.
    /// nil derives the maximum, at most 64, from the descriptor limit and the user's limit on pipe pages (pipe(7)).
    public var maxPipes: Int?

    /// Access lists, connection limits and connection rate limits.
    public var accessPolicy = AccessPolicy()

    /// Bandwidth limit of each direction of a connection in bytes per second, 1 to 1,000,000,000,000; nil is unlimited.
    /// The burst is a tenth of a second's bytes, at least 16 KiB. Connections with a limit are copied, not spliced.
    public var bandwidth: Int?

    /// Timeouts of a connection.
    public var timeouts = Timeouts()

    /// TCP keep-alive on both sides of a connection; nil disables it. The interval must be longer than zero.
    public var keepAlive: KeepAlive? = KeepAlive(interval: .seconds(60))

    /// How long a shutdown waits for open connections before it resets the remaining ones.
    public var grace: Duration = .seconds(30)

    /// How long a shutdown keeps accepting connections after ``Proxy/isReady`` has become false.
    public var drainDelay: Duration = .zero

    /// Interval at which the host name of the upstream is resolved again, longer than zero; nil resolves it only once.
    public var resolveInterval: Duration? = .seconds(30)

    /// Whether a record of each closed connection is kept until an access log takes it.
    package var recordsConnections = false

    /// Creates the default settings.
    public init() {}

    /// Timeouts of a connection. Each must be longer than zero; nil disables it.
    public struct Timeouts: Sendable, Equatable {
        /// Timeout for the bytes that are read before a server is chosen: a PROXY protocol header, a TLS ClientHello.
        public var preread: Duration? = .seconds(5)
        /// Timeout for one attempt to connect to one address of the upstream.
        public var connectAttempt: Duration? = .seconds(5)
        /// Timeout for all connection attempts together.
        public var connect: Duration? = .seconds(15)
        /// Timeout for a connection without traffic in either direction.
        public var idle: Duration?
        /// Timeout for a half-closed connection without traffic in the direction that is still open.
        public var halfClose: Duration? = .seconds(3600)
        /// Maximum lifetime of a connection, regardless of traffic.
        public var lifetime: Duration?
        /// How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482); nil keeps the system default.
        public var user: Duration?
        /// How long a reset is delayed without progress while the other side still has to acknowledge bytes sent before
        /// it; what remains then is discarded and counted. Not optional, and not checked: zero or less resets without a
        /// delay.
        public var resetDrainTimeout: Duration = .seconds(5)

        /// Creates the default timeouts.
        public init() {}
    }

    /// Number of processors that this process may run on (sched_getaffinity(2)), at most 64.
    public static var availableProcessors: Int {
        min(Processors.available, 64)
    }
}
