public import Relay
public import Sockets

/// All that can be chosen about a proxy, with the defaults that suit most.
public struct Configuration: Sendable {
    /// Worker threads, 1 to 64; by default one for each processor the process may use.
    public var threads: Int = Configuration.availableProcessors

    /// Connections open at the same time, over all workers. Those beyond wait in the listening queue. nil takes what the
    /// descriptor limit allows, which ``Proxy`` raises to the hard limit first.
    public var maxConnections: Int?

    /// Length of each worker's listening queue, 1 to 65,535; the system cuts it to net.core.somaxconn.
    public var backlog: Int = 4096

    /// Local addresses for outgoing connections, used in turn; empty lets the system choose. Ports are ignored.
    public var sourceAddresses: [InternetAddress] = []

    /// Whether bytes are copied or spliced; `auto` decides it for each direction of each connection, by its traffic.
    public var engine: Engine = .auto

    /// The most pipes that each worker keeps for sides that take nothing, 0 to 4,096; beyond them it copies. nil takes what
    /// the descriptor limit and the user's share of pipe pages (pipe(7)) allow, 64 at most.
    public var maxPipes: Int?

    /// Who may come in, and how much.
    public var entrance = Entrance()

    /// Bytes a second that each direction of a connection may move, 1 to 1,000,000,000,000; nil is as many as there are.
    /// After a rest a tenth of a second's bytes may go at once, 16 KiB at least. Bytes with a limit are copied.
    public var bandwidth: Int?

    public var timeouts = Timeouts()

    /// Probes on idle connections of both sides; nil is off.
    public var keepAlive: KeepAlive? = KeepAlive(interval: .seconds(60))

    /// How long a shutdown waits for running connections before it resets what is left.
    public var grace: Duration = .seconds(30)

    /// How long a shutdown keeps accepting after the readiness probe has begun to fail.
    public var drainDelay: Duration = .zero

    /// How often the upstream's host name is resolved anew; nil resolves it once.
    public var resolveInterval: Duration? = .seconds(30)

    /// Whether a record of each connection is kept at its end, until an access log takes it.
    package var recordsConnections = false

    public init() {}

    /// Deadlines of a connection. Each can be nil, which is off.
    public struct Timeouts: Sendable, Equatable {
        /// For a client to say what is read before a server is chosen: a header of the PROXY protocol, a TLS client's hello.
        public var preface: Duration? = .seconds(5)
        /// For one attempt to connect to one of the upstream's addresses.
        public var connectAttempt: Duration? = .seconds(5)
        /// For all attempts of a connection together.
        public var connect: Duration? = .seconds(15)
        /// For a connection on which nothing moves in either direction.
        public var idle: Duration?
        /// For a connection of which one direction has ended and on whose other nothing moves.
        public var halfClose: Duration? = .seconds(3600)
        /// For a connection in all, however busy.
        public var lifetime: Duration?
        /// How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482); nil leaves it to the system.
        public var user: Duration?
        /// How long a reset waits for the other side to take what was sent before it; what is left then is thrown away
        /// and counted.
        public var resetDelivery: Duration = .seconds(5)

        public init() {}
    }

    /// The processors that this process may run on (sched_getaffinity(2)), 64 at most.
    public static var availableProcessors: Int {
        min(Processors.available, 64)
    }
}
