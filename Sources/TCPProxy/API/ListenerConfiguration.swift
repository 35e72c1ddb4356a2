public import Sockets
import ValueFormats

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

    /// The mode, the owner and the group of the file of a Unix socket.
    public var socketFile = SocketFile()

    /// Local addresses for outgoing connections, used in turn; if empty, the kernel chooses. Ports are ignored.
    public var sourceAddresses: [InternetAddress] = Settings.source.defaultValue

    /// Timeouts of a connection.
    public var timeouts = Timeouts()

    /// TCP keep-alive on both sides of a connection; nil disables it. The interval is 1 to 32,767 seconds.
    public var keepAlive: KeepAlive? = Settings.keepAlive.defaultValue.map { KeepAlive(interval: $0) }

    /// Handling of the end of one direction.
    public var halfClose: HalfClose = Settings.halfClose.defaultValue

    /// Access lists, connection limits and connection rate limits.
    public var accessPolicy = AccessPolicy()

    /// Bandwidth limit of each direction of a connection in bytes per second, 1 to 1,000,000,000,000; nil is unlimited.
    /// The burst is a tenth of a second's bytes, at least one TCP segment. Connections with a limit are copied, not
    /// spliced.
    public var bandwidth: Int? = Settings.bandwidth.defaultValue
    /// Bandwidth limit from clients to servers; nil uses ``bandwidth``.
    public var bandwidthUpstream: Int? = Settings.bandwidthUpstream.defaultValue
    /// Bandwidth limit from servers to clients; nil uses ``bandwidth``.
    public var bandwidthDownstream: Int? = Settings.bandwidthDownstream.defaultValue

    /// Pools for TLS clients, by SNI host name (RFC 6066, section 3); all other TLS clients go to ``pool``, whatever name
    /// they send. If this and ``alpnProtocols`` are empty, the ClientHello is not inspected and connections need not be
    /// TLS.
    public var sniPatterns: [SNIRoute] = []

    /// Pools for TLS clients, by ALPN protocol (RFC 7301), regardless of the SNI host name; at most
    /// ``maxALPNProtocols``. The first protocol in this list that the client offers decides.
    public var alpnProtocols: [ALPNRoute] = []

    /// The name of the pool for connections that do not start with TLS, and for clients that send nothing until
    /// ``Timeouts/preread`` expires, because they wait for the server; nil denies both. Only with ``sniPatterns``,
    /// ``alpnProtocols`` or ``tls``.
    public var plainPool: String? = Settings.plain.defaultValue

    /// Protocol of the clients. With ``ConnectionProtocol/postgres``, the proxy answers their requests for TLS.
    public var connectionProtocol = Settings.connectionProtocol.defaultValue

    /// TLS with clients; nil relays their bytes as they are. The SNI and ALPN routes then select pools for the plaintext.
    public var tls: ListenerTLS?

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

    /// What happens when one side of a connection has sent EOF.
    public enum HalfClose: String, Sendable, Hashable, CaseIterable {
        /// The EOF is passed on, and the other direction continues until its side sends EOF, too.
        case propagate
        /// The connection is closed when the bytes of that side have been delivered. Bytes of the other side that have
        /// not been delivered by then are discarded.
        case close
    }

    /// The mode, the owner and the group of the file of a Unix socket; nil keeps what the system sets, by the umask, the
    /// user and the group of the process. All must be nil for other addresses and for abstract names.
    public struct SocketFile: Sendable, Hashable {
        /// Permission bits, 0 to 0o777. A client needs the write permission to connect.
        public var mode: Int? = Settings.socketMode.defaultValue
        /// Owner, by name or number.
        public var owner: String? = Settings.socketOwner.defaultValue
        /// Group, by name or number.
        public var group: String? = Settings.socketGroup.defaultValue

        /// Creates settings that keep what the system sets.
        public init() {}
    }

    /// Timeouts of a connection, each 1 ms to one year; nil disables it.
    public struct Timeouts: Sendable, Equatable {
        /// Timeout for the bytes that are read before a server is chosen: a PROXY protocol header, a TLS ClientHello.
        public var preread: Duration? = Settings.prereadTimeout.defaultValue
        /// Timeout for the ClientHello and the TLS handshake with a client, since the connection was accepted.
        public var handshake: Duration? = Settings.handshakeTimeout.defaultValue
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
        /// Percentage of ``lifetime`` by which it is shortened at most, 0 to 100. The share differs between connections, so
        /// that those opened at the same time do not all end at the same time.
        public var lifetimeJitter: Int = Settings.lifetimeJitter.defaultValue
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
