/// The options of a connected socket. Accepted connections inherit them from the listening socket.
public struct SocketOptions: Sendable, Equatable {
    /// Keepalive probes of an idle connection (socket(7), SO_KEEPALIVE); nil disables them.
    public var keepAlive: KeepAlive?
    /// The maximum time that sent data may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482); nil uses the system's
    /// default.
    public var tcpUserTimeout: Duration?
    /// The maximum send rate in bytes per second (SO_MAX_PACING_RATE, socket(7)), 1 to 2,147,483,647; nil is unlimited.
    public var pacingRate: Int?

    public init(keepAlive: KeepAlive? = nil, tcpUserTimeout: Duration? = nil, pacingRate: Int? = nil) {
        self.keepAlive = keepAlive
        self.tcpUserTimeout = tcpUserTimeout
        self.pacingRate = pacingRate
    }
}

/// The timing of keepalive probes and the number of unanswered probes after which a connection fails.
public struct KeepAlive: Sendable, Equatable {
    /// The idle time before the first probe and the interval between probes; whole seconds, 1 s to 32,767 s.
    public var interval: Duration
    /// The number of unanswered probes after which the connection fails, 1 to 127.
    public var probes: Int

    public init(interval: Duration, probes: Int = 3) {
        self.interval = interval
        self.probes = probes
    }
}

/// The options with which a listening socket is opened.
public struct ListenOptions: Sendable, Equatable {
    /// Whether other sockets may share the address.
    public enum Sharing: Sendable {
        /// No other socket may listen on the address.
        case exclusive
        /// No other socket may listen on the address when it is bound; afterwards sockets opened with `.portMember` may.
        case portOwner
        /// This socket joins the sockets that share the address (SO_REUSEPORT, socket(7)).
        case portMember
    }

    public var sharing: Sharing
    /// The backlog: the maximum length of the accept queue. The system limits it to net.core.somaxconn.
    public var backlog: Int
    public var connection: SocketOptions
    /// Permissions of the file of a Unix socket.
    public var permissions: UnixSocketPermissions

    public init(
        sharing: Sharing = .exclusive,
        backlog: Int = 4096,
        connection: SocketOptions = .init(),
        permissions: UnixSocketPermissions = .init()
    ) {
        self.sharing = sharing
        self.backlog = backlog
        self.connection = connection
        self.permissions = permissions
    }
}
