public import Balancing
public import Notation
public import TCPProxy

/// A listener: where clients connect to, what their connections are like, and which pool serves them.
public struct ListenerEntry: Sendable, Equatable {
    public var name = ""
    public var listen: ServiceAddress = .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0)))
    /// The name of its pool.
    public var pool = ""
    public var backlog = Configuration().backlog
    public var sources = Configuration().sourceAddresses
    public var timeouts = Configuration().timeouts
    /// The interval of ``TCPProxy/Configuration/keepAlive``; nil is off.
    public var keepAlive = Configuration().keepAlive?.interval
    /// Clients who may come in; empty is all who are not denied.
    public var allow: [AddressBlock] = []
    public var deny: [AddressBlock] = []
    /// See ``TCPProxy/Entrance``, for these and those below.
    public var maxConnections: Int?
    public var maxConnectionsPerClient: Int?
    public var rate: WrittenRate?
    public var ratePerClient: WrittenRate?
    /// See ``TCPProxy/Configuration/bandwidth``.
    public var bandwidth: WrittenSize?
    /// nil is off.
    public var acceptProxy: TrustedProxies.Header?
    /// Where the proxies are that are believed.
    public var trust: [AddressBlock] = []
    /// Pools for TLS clients that ask for certain servers.
    public var serverNames: [RouteEntry<ServerNamePattern>] = []
    public var applicationProtocols: [RouteEntry<ApplicationProtocol>] = []

    public init() {}
}

/// A pool for TLS clients that ask for something: a server's name, or a protocol.
public struct RouteEntry<Pattern: Hashable & Sendable>: Sendable, Equatable {
    public var pattern: Pattern
    /// The pattern as it stands in the file.
    public var written: String
    public var pool: String

    public init(pattern: Pattern, written: String, pool: String) {
        self.pattern = pattern
        self.written = written
        self.pool = pool
    }
}

/// A pool: servers that do the same, and how one of them is chosen.
public struct PoolEntry: Sendable, Equatable {
    public var name = ""
    public var policy = Policy.roundRobin
    /// At least one, in the order of the file.
    public var servers: [ServerEntry] = []
    /// nil is off.
    public var check: CheckEntry?
    /// nil is off.
    public var ejection: EjectionEntry? = EjectionEntry()
    /// How long a server that came up takes to get its whole share of connections; nil gives it at once.
    public var slowStart: Duration?
    public var queue = QueueEntry()
    public var whenDown = PoolSettings.WhenDown.keep
    public var whenAllDown = PoolConfiguration.WhenAllDown.refuse
    /// What servers are told of clients; nil is nothing.
    public var sendProxy: ProxyProtocolVersion?
    /// See ``TCPProxy/Configuration/resolveInterval``.
    public var resolveInterval = Configuration().resolveInterval

    public init() {}
}

/// A server of a pool, or all that a name stands for.
public struct ServerEntry: Sendable, Equatable {
    public var address: ServerAddress = .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0)))
    /// As it is called in logs and metrics: by default its address as it is written.
    public var name = ""
    /// Its share of connections; 0 gives it no new ones. The servers of a service have those of their records.
    public var weight = 1
    /// Whether it serves only when all others are down.
    public var backup = false
    /// Connections at once; nil is no limit.
    public var maxConnections: Int?
    /// Who is asked what its name stands for.
    public var resolver = NameResolver.system

    public init() {}
}

/// How many connections may wait for a place at a server, and how long.
public struct QueueEntry: Sendable, Equatable {
    /// 0 is no queue.
    public var limit = 1000
    public var timeout: Duration = .seconds(5)

    public init() {}
}

/// When a server is left out because clients' connects to it fail.
public struct EjectionEntry: Sendable, Equatable {
    /// So many failures in a row; nil is off.
    public var consecutiveFailures: Int? = 5
    /// So many percent of the connects within the window; nil is off.
    public var failureShare: Int? = 50
    public var window: Duration = .seconds(10)
    /// Of fewer connects within the window the share says nothing.
    public var minimumAttempts = 10
    /// How long the first time lasts; each further one is twice as long as the one before.
    public var base: Duration = .seconds(10)
    /// How long it lasts at most.
    public var longest: Duration = .seconds(300)
    /// So many percent of a pool's servers at most are out at once.
    public var mostEjected = 50

    public init() {}
}

/// How servers are checked.
public struct CheckEntry: Sendable, Equatable {
    public var type = CheckType.tcp
    public var interval: Duration = .seconds(2)
    /// For the connection and the answer together.
    public var timeout: Duration = .seconds(1)
    /// So many passes in a row bring a server up.
    public var rise = 2
    /// So many failures in a row bring a server down.
    public var fall = 3
    /// Where the check connects to; nil is the server's own port.
    public var port: Int?
    /// What a server is before its first result.
    public var initial = Initial.unknown
    /// `send-expect`: what is sent; empty where the server speaks first.
    public var send = ""
    /// `send-expect`: what must be in the answer.
    public var expect = ""
    /// `http`: what is asked for.
    public var path = "/"
    /// `http`: what the Host field says.
    public var host = "localhost"
    /// `http`: the status codes of a server that is up.
    public var status = 200...399
    /// `postgres`: who the check says it is.
    public var user = "monkey"

    public init() {}

    public enum CheckType: String, CaseIterable, Sendable {
        case tcp
        case sendExpect = "send-expect"
        case http, postgres, redis
    }

    public enum Initial: String, CaseIterable, Sendable {
        case up, down
        /// Taken for up, and the first result settles it.
        case unknown
    }
}
