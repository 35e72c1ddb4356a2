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
    /// This property and the next two: see ``TCPProxy/ListenerConfiguration/SocketFile``.
    package var mode = defaults.socketFile.mode
    package var owner = defaults.socketFile.owner
    package var group = defaults.socketFile.group
    package var sources = defaults.sourceAddresses
    package var timeouts = defaults.timeouts
    package var halfClose = defaults.halfClose
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
    package var limitsDryRun = defaults.accessPolicy.limitsDryRun
    /// Name of limits shared with other listeners, in place of these five; nil if the listener has its own.
    package var limits: String?
    /// See ``TCPProxy/ListenerConfiguration/bandwidth``.
    package var bandwidth: ByteSizeValue?
    package var bandwidthUpstream: ByteSizeValue?
    package var bandwidthDownstream: ByteSizeValue?
    /// PROXY protocol header that is accepted; nil disables it.
    package var acceptProxy: TrustedProxies.Header?
    /// Networks of the proxies whose PROXY protocol headers are trusted.
    package var trustedProxies: [TrustedSource] = []
    /// Pools for TLS clients by SNI host name.
    package var sniPatterns: [RouteSection<SNIPattern>] = []
    package var alpnProtocols: [RouteSection<ALPNProtocol>] = []
    /// Pool for connections that do not start with TLS; nil denies them.
    package var plainPool = defaults.plainPool
    package var connectionProtocol = defaults.connectionProtocol
    /// nil relays clients' bytes as they are.
    package var tls: ListenerTLSSection?

    package init() {}

    private static let defaults = ListenerConfiguration(
        address: .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0)))
    )
}

/// Limits that several listeners share.
package struct LimitsSection: Sendable, Equatable {
    package var name = ""
    package var maxConnections = AccessPolicy().maxConnections
    package var maxConnectionsPerClient = AccessPolicy().maxConnectionsPerClient
    package var rate: RateValue?
    package var ratePerClient: RateValue?
    package var limitsDryRun = AccessPolicy().limitsDryRun

    package init() {}
}

/// Route of TLS clients that request an SNI host name or an ALPN protocol.
package struct RouteSection<Pattern: Hashable & Sendable>: Sendable, Equatable {
    package var pattern: Pattern
    /// The pattern as written in the file.
    package var written: String
    package var target: RouteTargetSection

    package var pool: String { target.pool }
}

/// Where a route leads.
package struct RouteTargetSection: Sendable, Equatable {
    package var pool = ""
    /// nil is `terminate` in a listener with TLS.
    package var tls = TLSAction.Settings.tls.defaultValue
    /// The path of a certificate of the listener, as written there.
    package var certificate = TLSAction.Settings.certificate.defaultValue

    package init() {}
}

/// Pool section: equivalent servers and the policy that selects one of them.
package struct PoolSection: Sendable, Equatable {
    package var name = ""
    package var policy = PoolConfiguration.Settings.policy.defaultValue
    package var fastestBy = PoolConfiguration.Settings.fastestBy.defaultValue
    package var fastestTolerance = PoolConfiguration.Settings.fastestTolerance.defaultValue
    /// At least one, in file order.
    package var servers: [ServerSection] = []
    /// nil disables health checks.
    package var check: HealthCheckSection?
    /// nil disables ejection.
    package var ejection: EjectionSettings? = EjectionSettings()
    /// Time in which the weight of a server that came up grows to its full value; nil applies it immediately.
    package var slowStart = PoolSettings.Settings.slowStart.defaultValue
    package var queue = QueueSection()
    package var retry = PoolConfiguration.Settings.retry.defaultValue
    package var onServerDown = PoolSettings.Settings.onServerDown.defaultValue
    package var onAllDown = PoolConfiguration.Settings.onAllDown.defaultValue
    /// PROXY protocol version of the header sent to servers; nil sends none.
    package var sendProxy = PoolConfiguration.Settings.sendProxy.defaultValue
    package var connectionProtocol = PoolConfiguration.Settings.connectionProtocol.defaultValue
    /// nil sends servers the bytes as they are.
    package var tls: PoolTLSSection?
    /// Name server that resolves the names of the servers; nil uses that of the file.
    package var resolver = PoolSettings.Settings.resolver.defaultValue
    /// See ``TCPProxy/ProxyConfiguration/resolveInterval``.
    package var resolveInterval = ProxyConfiguration.Settings.resolveInterval.defaultValue

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
    /// Whether a name that cannot be resolved is an error at start and reload.
    package var resolve = Settings.resolve.defaultValue
    /// Resolver of the server's name.
    package var resolver = DNSResolver.system
    /// Position in the file; nil if the entry is not from a file.
    package var location: SourceLocation?

    package init() {}
}

extension ServerSection {
    /// What happens at start and reload if the name of the server cannot be resolved.
    package enum Resolve: String, CaseIterable, Sendable {
        /// The server is used once its name is resolved.
        case optional
        /// Start or reload fails.
        case required
    }

    /// The definitions of the settings.
    package enum Settings {
        package static let resolve = SettingDescriptor.word("resolve", default: Resolve.optional)
            .help(
                "Whether start and reload fail if the name of the server cannot be resolved; with `optional`, the "
                    + "server keeps its known addresses, or is used once its name is resolved."
            )
    }
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
    package var type = HealthCheck.Settings.type.defaultValue
    package var interval = HealthCheck.Settings.interval.defaultValue
    /// Timeout for connection and response together; nil is 1 s, or the interval if that is shorter.
    package var timeout = HealthCheck.Settings.timeout.defaultValue
    /// Number of consecutive passes that bring a server up.
    package var rise = HealthCheck.Settings.rise.defaultValue
    /// Number of consecutive failures that bring a server down.
    package var fall = HealthCheck.Settings.fall.defaultValue
    /// Port to check; nil means the server's own.
    package var port = HealthCheck.Settings.port.defaultValue
    /// State before the first result.
    package var initial = HealthCheck.Settings.initial.defaultValue
    /// nil uses TLS if the pool does and ``port`` is nil.
    package var tls: CheckTLSSection?
    /// `send-expect`: bytes to send; empty if the server speaks first.
    package var send = HealthCheck.Settings.send.defaultValue
    /// `send-expect`: bytes that the response must contain.
    package var expect = HealthCheck.Settings.expect.defaultValue
    /// `send-expect`: steps in place of `send` and `expect`.
    package var steps = HealthCheck.Settings.steps.defaultValue
    /// `http`: path and query of the request.
    package var path = HealthCheck.Settings.path.defaultValue
    /// `http`: value of the Host field.
    package var host = HealthCheck.Settings.host.defaultValue
    /// `http`: status codes that pass.
    package var status = HealthCheck.Settings.status.defaultValue
    /// `postgres`, `mysql`: user of the session.
    package var user = HealthCheck.Settings.user.defaultValue
    /// `redis`: role that the server must have.
    package var role = HealthCheck.Settings.role.defaultValue

    package init() {}

    package enum CheckType: String, CaseIterable, Sendable {
        case tcp
        case sendExpect = "send-expect"
        case http, postgres, mysql, redis
    }

    package enum Initial: String, CaseIterable, Sendable {
        case up, down
        /// Counts as up until the first result, which decides.
        case unknown
    }
}

/// Step of a `send-expect` check.
package struct StepSection: Sendable, Equatable {
    /// Text to send; empty if the server sends first.
    package var send = HealthCheck.StepSettings.send.defaultValue
    /// Text that the response must contain.
    package var expect = HealthCheck.StepSettings.expect.defaultValue

    package init() {}
}
