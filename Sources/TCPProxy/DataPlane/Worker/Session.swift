import Relay
import Sockets

/// A connection in its worker's slab: the relay state and the metadata.
struct Session: ~Copyable {
    enum Stage: UInt8 {
        /// The client's first bytes, which identify the client or the requested server, are incomplete.
        case preread
        /// The TLS handshake with the client is in progress.
        case handshake
        /// All eligible servers are full; the connection waits for a slot.
        case queued
        /// No server is connected; an attempt is in progress or waits to be repeated.
        case dialing
        /// The TLS handshake with the server, or the request for it, is in progress.
        case securing
        case relaying
        /// One side has failed. The other side is reset when it has acknowledged the data of the failed side.
        case drainingBeforeReset
    }

    /// Flags for actions that remain before server selection or at the end of the connection.
    struct Flags: OptionSet {
        let rawValue: UInt16

        /// Counted in the connection limit of the listener.
        static let countedForListener = Flags(rawValue: 1)
        /// Counted in the connection limit of the client.
        static let countedForClient = Flags(rawValue: 2)
        /// The PROXY protocol header is still to be parsed.
        static let readsProxyHeader = Flags(rawValue: 4)
        /// The ClientHello is still to be parsed.
        static let readsClientHello = Flags(rawValue: 8)
        /// Has an entry in the preread table, possibly with bytes for the server.
        static let hasPrereadBuffer = Flags(rawValue: 16)
        /// The connection was accepted on a Unix socket, even if a PROXY protocol header carries another address.
        static let isUnix = Flags(rawValue: 32)
        /// Both directions have a bandwidth limit, stored in the budget table.
        static let hasBandwidthLimit = Flags(rawValue: 64)

        /// The time of the last activity is tracked, because an idle timeout is configured.
        static let tracksActivity = Flags(rawValue: 128)

        /// Counted in the connection limit of the client's /56, and of its /48 network.
        static let countedForSite = Flags(rawValue: 256)
        static let countedForOrganization = Flags(rawValue: 512)

        /// The endpoint of the client, and of the server, has an entry in its transform table: TLS.
        static let transformsClient = Flags(rawValue: 1024)
        static let transformsServer = Flags(rawValue: 2048)
        static let transforms: Flags = [.transformsClient, .transformsServer]
        /// The connection is not relayed by the engine for copies and splices.
        static let isRestricted: Flags = [.hasBandwidthLimit, .transformsClient, .transformsServer]

        /// Each attempt to connect to a server begins with a request for TLS, which the server must accept.
        static let requestsServerTLS = Flags(rawValue: 4096)
        /// The server has not accepted that request yet.
        static let awaitsServerAnswer = Flags(rawValue: 8192)
        /// An attempt is complete only after an exchange with the server.
        static let securesServer: Flags = [.transformsServer, .requestsServerTLS]

        static let needsPreread: Flags = [.readsProxyHeader, .readsClientHello]
    }

    var duplex: Duplex
    var stage = Stage.dialing
    /// Whether TCP keep-alive is enabled on the server's socket. The client's socket inherits it from the listener.
    var hasKeepAlive = false
    var flags: Flags
    /// The number of the listener that accepted the connection.
    let listener: Int16
    /// The number of the pool that serves the connection.
    var pool: Int16
    let id: ConnectionID
    /// The address of the client: the peer, or the address in the PROXY protocol header of a trusted proxy.
    var client: PeerAddress
    let openedAt: Instant
    var lastActivity: Instant
    var dial: Dial
    var resetDrain = ResetDrain()
    var phaseTimings = PhaseTimings()
    /// Bytes already reported in events.
    var reportedUpstream: UInt64 = 0
    var reportedDownstream: UInt64 = 0

    init(
        client: consuming Descriptor,
        peer: PeerAddress,
        listener: Int,
        pool: Int,
        flags: Flags,
        id: ConnectionID,
        now: Instant
    ) {
        duplex = Duplex(client: client)
        self.client = peer
        self.listener = Int16(listener)
        self.pool = Int16(pool)
        self.flags = flags
        self.id = id
        openedAt = now
        lastActivity = now
        dial = Dial(startedAt: now)
    }
}

/// The state of server selection and connection attempts.
struct Dial {
    /// The server of the current attempt or connection; nil if there is none.
    var server: SharedServerState?
    /// Whether a slot is reserved at the server: until the connection ends, or the server has finished its part of it.
    var hasPermit = false
    /// Whether an attempt has failed and the next one has not begun.
    var isRetry = false
    /// The position of the server in the pool at selection.
    var position: Int32 = 0
    /// Number of attempts; the low bits distinguish the events of successive attempts.
    var attempts: Int32 = 0
    var tried = TriedServers()
    /// Number of attempts that failed through a server's fault.
    var failures: Int32 = 0
    var isUnix = false
    /// How often the connection had passed through this process before it was accepted.
    var hops: UInt8 = 0
    /// The attempt or connection in the ``LoopDetector``; nil if it is not recorded.
    var loopEntry: LoopDetector.Entry?
    /// Number of bytes of the PROXY protocol header and the request for TLS that the server's socket has accepted;
    /// ``requestIsSent`` if that is all of them.
    var requestSent: UInt16 = 0
    static let requestIsSent = UInt16.max
    /// Whether the attempt may connect the socket to itself.
    var mayConnectToItself = false
    /// Whether the attempt waits for a resource that accepting needs, too.
    var isResourceStarved = false
    /// The start of server selection, or its continuation after the queue.
    var beganAt: Instant
    /// The start of the current attempt. Once connected, if the pool measures the time to the first byte of the server:
    /// when the connection was established or, later, when the last bytes were sent to the server.
    var startedAt: Instant
    /// Set while an attempt waits to be repeated after local resource exhaustion.
    var retryAt: Instant?

    init(startedAt: Instant) {
        beganAt = startedAt
        self.startedAt = startedAt
    }
}

/// The times at which a connection reached each phase, in microseconds after accept; zero if the access log is
/// disabled.
struct PhaseTimings {
    /// Total time in the queue; while queued, minus the time at which the connection entered it.
    var queued: UInt32 = 0
    /// The time at which a server was connected; zero is never.
    var connected: UInt32 = 0
    /// The time at which the first byte from the server was sent to the client; zero is never.
    var firstByte: UInt32 = 0
}

/// The progress of delivering the last data before a reset.
struct ResetDrain {
    /// Number of undelivered bytes at the last check.
    var remaining = 0
    /// The time of the last observed progress.
    var progressAt = Instant(nanoseconds: 0)
    var nextRecheck = Instant(nanoseconds: 0)
    /// Nanoseconds of ``interval``: a `Duration` would take four times the memory in every connection.
    private var intervalNanoseconds: UInt32 = 0

    init() {}

    init(remaining: Int, progressAt: Instant, nextRecheck: Instant, interval: Duration) {
        self.remaining = remaining
        self.progressAt = progressAt
        self.nextRecheck = nextRecheck
        self.interval = interval
    }

    /// Schedules the next check if one is due; the interval grows with each.
    mutating func scheduleRecheck(at now: Instant) {
        guard nextRecheck <= now else { return }
        nextRecheck = now + interval
        interval = min(interval * 2, WorkerSettings.resetDrainPollInterval.upperBound)
    }

    /// Interval of the checks, less than a second.
    var interval: Duration {
        get { .nanoseconds(Int64(intervalNanoseconds)) }
        set { intervalNanoseconds = UInt32(newValue.components.attoseconds / 1_000_000_000) }
    }
}
