public import Balancing
public import ValueFormats
public import TCPProxy

/// Listener section: the address, the connection settings and the pool.
public struct ListenerSection: Sendable, Equatable {
    public var name = ""
    public var listen = defaults.address
    /// Name of the pool.
    public var pool = ""
    public var backlog = defaults.backlog
    public var sources = defaults.sourceAddresses
    public var timeouts = defaults.timeouts
    /// Interval of ``TCPProxy/ListenerConfiguration/keepAlive``; nil disables keepalive.
    public var keepAlive = defaults.keepAlive?.interval
    /// Client networks that may connect; if empty, all that are not denied.
    public var allow: [CIDRBlock] = []
    public var deny: [CIDRBlock] = []
    /// This property and the next three: see ``TCPProxy/AccessPolicy``.
    public var maxConnections = defaults.accessPolicy.maxConnections
    public var maxConnectionsPerClient = defaults.accessPolicy.maxConnectionsPerClient
    public var rate: RateValue?
    public var ratePerClient: RateValue?
    /// See ``TCPProxy/ListenerConfiguration/bandwidth``.
    public var bandwidth: ByteSizeValue?
    /// PROXY protocol header that is accepted; nil disables it.
    public var acceptProxy: TrustedProxies.Header?
    /// Networks of the proxies whose PROXY protocol headers are trusted.
    public var trustedProxies: [CIDRBlock] = []
    /// Pools for TLS clients by SNI host name.
    public var sniPatterns: [RouteSection<SNIPattern>] = []
    public var alpnProtocols: [RouteSection<ALPNProtocol>] = []

    public init() {}

    private static let defaults = ListenerConfiguration(
        address: .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0)))
    )
}

/// Pool for TLS clients that request an SNI host name or an ALPN protocol.
public struct RouteSection<Pattern: Hashable & Sendable>: Sendable, Equatable {
    public var pattern: Pattern
    /// The pattern as written in the file.
    public var written: String
    public var pool: String

    public init(pattern: Pattern, written: String, pool: String) {
        self.pattern = pattern
        self.written = written
        self.pool = pool
    }
}

/// Pool section: equivalent servers and the policy that selects one of them.
public struct PoolSection: Sendable, Equatable {
    public var name = ""
    public var policy = PoolConfiguration.Settings.policy.defaultValue
    /// At least one, in file order.
    public var servers: [ServerSection] = []
    /// nil disables health checks.
    public var check: HealthCheckSection?
    /// nil disables ejection.
    public var ejection: EjectionSection? = EjectionSection()
    /// Time in which the weight of a server that came up grows to its full value; nil applies it immediately.
    public var slowStart = PoolSettings.Settings.slowStart.defaultValue
    public var queue = QueueSection()
    public var onServerDown = PoolSettings.Settings.onServerDown.defaultValue
    public var onAllDown = PoolConfiguration.Settings.onAllDown.defaultValue
    /// PROXY protocol version of the header sent to servers; nil sends none.
    public var sendProxy = PoolConfiguration.Settings.sendProxy.defaultValue
    /// See ``TCPProxy/ProxyConfiguration/resolveInterval``.
    public var resolveInterval = ProxyConfiguration().resolveInterval

    public init() {}
}

/// Server entry of a pool; a name stands for all servers that it resolves to.
public struct ServerSection: Sendable, Equatable {
    public var address: ServerAddress = .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0)))
    /// Name in logs and metrics; by default the address as written.
    public var name = ""
    /// Share of connections; 0 takes no new ones. For the servers of a service, the weights of its SRV records apply.
    public var weight = ServerConfiguration.Settings.weight.defaultValue
    /// Whether the server is used only if all others are down.
    public var backup = ServerConfiguration.Settings.backup.defaultValue
    /// Maximum number of concurrent connections; nil means no limit.
    public var maxConnections = ServerConfiguration.Settings.maxConnections.defaultValue
    /// Resolver of the server's name.
    public var resolver = DNSResolver.system

    public init() {}
}

/// Limit and timeout of the queue for a free connection slot of a server.
public struct QueueSection: Sendable, Equatable {
    /// 0 disables the queue.
    public var limit = PoolConfiguration.Settings.queueLimit.defaultValue
    /// nil is unlimited.
    public var timeout = PoolConfiguration.Settings.queueTimeout.defaultValue

    public init() {}
}

/// Outlier ejection: when a server is taken out of selection because client connection attempts to it fail.
public struct EjectionSection: Sendable, Equatable {
    /// Number of consecutive failures that ejects a server; nil disables this criterion.
    public var consecutiveFailures: Int? = 5
    /// Percentage of failed attempts within the window that ejects a server; nil disables this criterion.
    public var failureRate: Int? = 50
    public var window: Duration = .seconds(10)
    /// Minimum number of attempts within the window for `failureRate` to apply.
    public var minAttempts = 10
    /// Duration of the first ejection; each further one lasts twice as long as the one before.
    public var baseTime: Duration = .seconds(10)
    /// Maximum duration of an ejection.
    public var maxTime: Duration = .seconds(300)
    /// Maximum percentage of a pool's servers that are ejected at the same time.
    public var maxPercentEjected = 50

    public init() {}
}

/// Health check settings of a pool.
public struct HealthCheckSection: Sendable, Equatable {
    public var type = CheckType.tcp
    public var interval = HealthCheck.Settings.interval.defaultValue
    /// Timeout for connection and response together.
    public var timeout = HealthCheck.Settings.timeout.defaultValue
    /// Number of consecutive passes that bring a server up.
    public var rise = HealthCheck.Settings.rise.defaultValue
    /// Number of consecutive failures that bring a server down.
    public var fall = HealthCheck.Settings.fall.defaultValue
    /// Port to check; nil means the server's own.
    public var port = HealthCheck.Settings.port.defaultValue
    /// State before the first result.
    public var initial = Initial.unknown
    /// `send-expect`: bytes to send; empty if the server speaks first.
    public var send = ""
    /// `send-expect`: bytes that the response must contain.
    public var expect = ""
    /// `http`: path and query of the request.
    public var path = "/"
    /// `http`: value of the Host field.
    public var host = "localhost"
    /// `http`: status codes that pass.
    public var status = 200...399
    /// `postgres`: user of the session.
    public var user = "monkey"

    public init() {}

    public enum CheckType: String, CaseIterable, Sendable {
        case tcp
        case sendExpect = "send-expect"
        case http, postgres, redis
    }

    public enum Initial: String, CaseIterable, Sendable {
        case up, down
        /// Counts as up until the first result, which decides.
        case unknown
    }
}
