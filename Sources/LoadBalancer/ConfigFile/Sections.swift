package import Balancing
package import TCPProxy
package import ValueFormats

/// Listener section: the address, the connection settings and the pool.
package struct ListenerSection: Sendable, Equatable {
    package var name = ""
    package var listen = defaults.address
    /// Name of the pool.
    package var pool = ""
    package var backlog = defaults.backlog
    package var sources = defaults.sourceAddresses
    package var timeouts = defaults.timeouts
    /// Interval of ``TCPProxy/ListenerConfiguration/keepAlive``; nil disables keepalive.
    package var keepAlive = defaults.keepAlive?.interval
    /// Client networks that may connect; if empty, all that are not denied.
    package var allow: [CIDRBlock] = []
    package var deny: [CIDRBlock] = []
    /// This property and the next three: see ``TCPProxy/AccessPolicy``.
    package var maxConnections = defaults.accessPolicy.maxConnections
    package var maxConnectionsPerClient = defaults.accessPolicy.maxConnectionsPerClient
    package var rate: RateValue?
    package var ratePerClient: RateValue?
    /// See ``TCPProxy/ListenerConfiguration/bandwidth``.
    package var bandwidth: ByteSizeValue?
    /// PROXY protocol header that is accepted; nil disables it.
    package var acceptProxy: TrustedProxies.Header?
    /// Networks of the proxies whose PROXY protocol headers are trusted.
    package var trustedProxies: [CIDRBlock] = []
    /// Pools for TLS clients by SNI host name.
    package var sniPatterns: [RouteSection<SNIPattern>] = []
    package var alpnProtocols: [RouteSection<ALPNProtocol>] = []

    package init() {}

    private static let defaults = ListenerConfiguration(
        address: .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0)))
    )
}

/// Pool for TLS clients that request an SNI host name or an ALPN protocol.
package struct RouteSection<Pattern: Hashable & Sendable>: Sendable, Equatable {
    package var pattern: Pattern
    /// The pattern as written in the file.
    package var written: String
    package var pool: String

    package init(pattern: Pattern, written: String, pool: String) {
        self.pattern = pattern
        self.written = written
        self.pool = pool
    }
}

/// Pool section: equivalent servers and the policy that selects one of them.
package struct PoolSection: Sendable, Equatable {
    package var name = ""
    package var policy = PoolConfiguration.Settings.policy.defaultValue
    /// At least one, in file order.
    package var servers: [ServerSection] = []
    /// nil disables health checks.
    package var check: HealthCheckSection?
    /// nil disables ejection.
    package var ejection: EjectionSettings? = EjectionSettings()
    /// Time in which the weight of a server that came up grows to its full value; nil applies it immediately.
    package var slowStart = PoolSettings.Settings.slowStart.defaultValue
    package var queue = QueueSection()
    package var onServerDown = PoolSettings.Settings.onServerDown.defaultValue
    package var onAllDown = PoolConfiguration.Settings.onAllDown.defaultValue
    /// PROXY protocol version of the header sent to servers; nil sends none.
    package var sendProxy = PoolConfiguration.Settings.sendProxy.defaultValue
    /// See ``TCPProxy/ProxyConfiguration/resolveInterval``.
    package var resolveInterval = ProxyConfiguration().resolveInterval

    package init() {}
}

/// Server entry of a pool; a name stands for all servers that it resolves to.
package struct ServerSection: Sendable, Equatable {
    package var address: ServerAddress = .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0)))
    /// Name in logs and metrics; by default the address as written.
    package var name = ""
    /// Share of connections; 0 takes no new ones. For the servers of a service, the weights of its SRV records apply.
    package var weight = ServerConfiguration.Settings.weight.defaultValue
    /// Whether the server is used only if all others are down.
    package var backup = ServerConfiguration.Settings.backup.defaultValue
    /// Maximum number of concurrent connections; nil means no limit.
    package var maxConnections = ServerConfiguration.Settings.maxConnections.defaultValue
    /// Resolver of the server's name.
    package var resolver = DNSResolver.system

    package init() {}
}

/// Limit and timeout of the queue for a free connection slot of a server.
package struct QueueSection: Sendable, Equatable {
    /// 0 disables the queue.
    package var limit = PoolConfiguration.Settings.queueLimit.defaultValue
    /// nil is unlimited.
    package var timeout = PoolConfiguration.Settings.queueTimeout.defaultValue

    package init() {}
}

/// Health check settings of a pool.
package struct HealthCheckSection: Sendable, Equatable {
    package var type = CheckType.tcp
    package var interval = HealthCheck.Settings.interval.defaultValue
    /// Timeout for connection and response together.
    package var timeout = HealthCheck.Settings.timeout.defaultValue
    /// Number of consecutive passes that bring a server up.
    package var rise = HealthCheck.Settings.rise.defaultValue
    /// Number of consecutive failures that bring a server down.
    package var fall = HealthCheck.Settings.fall.defaultValue
    /// Port to check; nil means the server's own.
    package var port = HealthCheck.Settings.port.defaultValue
    /// State before the first result.
    package var initial = Initial.unknown
    /// `send-expect`: bytes to send; empty if the server speaks first.
    package var send = ""
    /// `send-expect`: bytes that the response must contain.
    package var expect = ""
    /// `http`: path and query of the request.
    package var path = "/"
    /// `http`: value of the Host field.
    package var host = "localhost"
    /// `http`: status codes that pass.
    package var status = 200...399
    /// `postgres`: user of the session.
    package var user = "monkey"

    package init() {}

    package enum CheckType: String, CaseIterable, Sendable {
        case tcp
        case sendExpect = "send-expect"
        case http, postgres, redis
    }

    package enum Initial: String, CaseIterable, Sendable {
        case up, down
        /// Counts as up until the first result, which decides.
        case unknown
    }
}
