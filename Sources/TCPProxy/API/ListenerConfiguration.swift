public import Sockets

/// An address to listen on, and the handling of the connections accepted there.
///
/// ``Proxy`` validates it when it is bound or changed and throws ``ProxyError/badSetting(name:value:allowed:)`` for the
/// first value out of range.
public struct ListenerConfiguration: Sendable {
    /// The name used in metrics and logs; unique among the listeners of a proxy.
    public var name: String
    /// The address to listen on. Port 0 selects a free port.
    public var address: ServiceAddress
    /// The name of the pool to which the listener forwards; ignored by a proxy that is bound with one upstream.
    public var pool: String

    /// Length of each worker's accept queue, 1 to 65,535; the kernel caps it at net.core.somaxconn.
    public var backlog: Int = Settings.backlog.defaultValue

    /// Local addresses for outgoing connections, used in turn; if empty, the kernel chooses. Ports are ignored.
    public var sourceAddresses: [InternetAddress] = Settings.source.defaultValue

    /// Timeouts of a connection.
    public var timeouts = Timeouts()

    /// TCP keep-alive on both sides of a connection; nil disables it. The interval is 1 to 32,767 seconds.
    public var keepAlive: KeepAlive? = Settings.keepAlive.defaultValue.map { KeepAlive(interval: $0) }

    /// Access lists, connection limits and connection rate limits.
    public var accessPolicy = AccessPolicy()

    /// Bandwidth limit of each direction of a connection in bytes per second, 1 to 1,000,000,000,000; nil is unlimited.
    /// The burst is a tenth of a second's bytes, at least 16 KiB. Connections with a limit are copied, not spliced.
    public var bandwidth: Int? = Settings.bandwidth.defaultValue

    /// Pools for TLS clients, by SNI host name (RFC 6066, section 3); all other connections go to ``pool``. If this and
    /// ``alpnProtocols`` are empty, the ClientHello is not inspected and connections need not be TLS.
    public var sniPatterns: [SNIRoute] = []

    /// Pools for TLS clients, by ALPN protocol (RFC 7301), regardless of the SNI host name; at most
    /// ``maxALPNProtocols``. The first protocol in the client's list that has a pool here decides.
    public var alpnProtocols: [ALPNRoute] = []

    /// The maximum number of ALPN protocols with pools of their own.
    public static let maxALPNProtocols = 32

    /// Creates a listener with default settings.
    ///
    /// - Parameters:
    ///   - name: the name in metrics and logs; nil uses the address.
    ///   - address: the address to listen on.
    ///   - pool: the name of the pool to which the listener forwards; not needed for a proxy with one upstream.
    public init(name: String? = nil, address: ServiceAddress, pool: String = "") {
        self.name = name ?? "\(address)"
        self.address = address
        self.pool = pool
    }

    /// Timeouts of a connection, each 1 ms to one year; nil disables it.
    public struct Timeouts: Sendable, Equatable {
        /// Timeout for the bytes that are read before a server is chosen: a PROXY protocol header, a TLS ClientHello.
        public var preread: Duration? = Settings.prereadTimeout.defaultValue
        /// Timeout for one attempt to connect to one address of the upstream.
        public var connectAttempt: Duration? = Settings.connectTimeout.defaultValue
        /// Timeout for all connection attempts together.
        public var connect: Duration? = Settings.connectDeadline.defaultValue
        /// Timeout for a connection without traffic in either direction.
        public var idle: Duration? = Settings.idleTimeout.defaultValue
        /// Timeout for a half-closed connection without traffic in the direction that is still open.
        public var halfClose: Duration? = Settings.halfCloseTimeout.defaultValue
        /// Maximum lifetime of a connection, regardless of traffic.
        public var lifetime: Duration? = Settings.lifetime.defaultValue
        /// How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482), at most 596 hours; nil keeps
        /// the system default.
        public var user: Duration? = Settings.tcpUserTimeout.defaultValue
        /// How long a reset is delayed without progress while the other side still has to acknowledge bytes sent before
        /// it; what remains then is discarded and counted. Not optional, and not checked: zero or less resets without a
        /// delay.
        public var resetDrainTimeout: Duration = .seconds(5)

        /// Creates timeouts with their defaults.
        public init() {}
    }
}
