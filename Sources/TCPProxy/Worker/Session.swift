import Relay
import Sockets

/// A connection in its worker's slab: what is relayed, and what is known about it.
struct Session: ~Copyable {
    enum Stage: UInt8 {
        /// Who the client is, or which server it asks for, stands in its first bytes, which have not all come.
        case preface
        /// All servers that may be tried are full, and he waits for a place.
        case queued
        /// There is no server yet; an attempt is under way, or waits to be repeated.
        case dialing
        case relaying
        /// One side is gone. The other is reset when it has what the first had sent.
        case delivering
    }

    /// What its listener's rules have left to do at its end, or before a server is chosen.
    struct Marks: OptionSet {
        let rawValue: UInt8

        /// It is counted among its listener's connections.
        static let countedForListener = Marks(rawValue: 1)
        /// It is counted among its client's.
        static let countedForClient = Marks(rawValue: 2)
        /// The header of a trusted proxy is still to be read.
        static let readsProxyHeader = Marks(rawValue: 4)
        /// The hello of a TLS client is still to be read.
        static let readsClientHello = Marks(rawValue: 8)
        /// It has a place in the table of prefaces, with bytes that are for the server perhaps.
        static let hasPreface = Marks(rawValue: 16)
        /// The client came by a Unix socket, whoever it is.
        static let isUnix = Marks(rawValue: 32)
        /// Each direction has a budget, in the table of budgets.
        static let hasBudget = Marks(rawValue: 64)

        /// When it last moved something matters: there is an idle time-out.
        static let tracksActivity = Marks(rawValue: 128)

        static let readsPreface: Marks = [.readsProxyHeader, .readsClientHello]
    }

    var duplex: Duplex
    var stage = Stage.dialing
    /// Whether keep-alive is set on the server's socket. The client's has it from the listener.
    var isProbed = false
    var marks: Marks
    /// The listener that it came to.
    let listener: Int16
    /// The pool that its server comes from.
    var pool: Int16
    let id: ConnectionID
    /// Who is at the other end; or, where a trusted proxy is there, whom that one speaks for.
    var client: PeerAddress
    let openedAt: Instant
    var lastActivity: Instant
    var dial: Dial
    var delivery = Delivery()
    var milestones = Milestones()
    /// Bytes that events have told of.
    var reportedUpstream: UInt64 = 0
    var reportedDownstream: UInt64 = 0

    init(
        client: consuming Descriptor,
        peer: PeerAddress,
        listener: Int,
        pool: Int,
        marks: Marks,
        id: ConnectionID,
        now: Instant
    ) {
        duplex = Duplex(client: client)
        self.client = peer
        self.listener = Int16(listener)
        self.pool = Int16(pool)
        self.marks = marks
        self.id = id
        openedAt = now
        lastActivity = now
        dial = Dial(startedAt: now)
    }
}

/// How far the search for a server has come.
struct Dial {
    /// The server that is tried, or serves, and on which a place is taken; nil while there is none.
    var server: ServerShare?
    /// Its position in the pool when it was chosen.
    var position: Int32 = 0
    /// Attempts so far; its low bits tell an attempt's events from those of the one before.
    var attempts: Int32 = 0
    var tried = TriedServers()
    var isUnix = false
    /// Whether what an attempt lacked is what accepting takes too.
    var isLacking = false
    /// When the search began, or went on after waiting for a place.
    var beganAt: Instant
    /// Of this attempt.
    var startedAt: Instant
    /// Set while an attempt waits to be repeated, since the process or the machine lacked something for it.
    var retryAt: Instant?

    init(startedAt: Instant) {
        beganAt = startedAt
        self.startedAt = startedAt
    }
}

/// When a connection got where, in microseconds after it was opened; kept where connections are recorded, and else zero.
struct Milestones {
    /// How long it has waited for a place at a server; while it waits, less the moment at which that began.
    var queued: UInt32 = 0
    /// When it had a server; zero is never.
    var connected: UInt32 = 0
    /// When the client was sent the first byte of the server's; zero is never.
    var firstByte: UInt32 = 0
}

/// How far the last bytes of a side that is gone have come.
struct Delivery {
    /// Bytes that were still on their way when last looked.
    var remaining = 0
    /// When they were last seen to become fewer.
    var progressAt = Instant(nanoseconds: 0)
    var nextLook = Instant(nanoseconds: 0)
    var interval: Duration = .zero
}
