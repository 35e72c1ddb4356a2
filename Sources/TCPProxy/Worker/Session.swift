import Relay
import Sockets

/// A connection in its worker's slab: what is relayed, and what is known about it.
struct Session: ~Copyable {
    enum Stage: UInt8 {
        /// There is no server yet; an attempt is under way, or waits to be repeated.
        case dialing
        case relaying
        /// One side is gone. The other is reset when it has what the first had sent.
        case delivering
    }

    var duplex: Duplex
    var stage = Stage.dialing
    /// Whether keep-alive is set on the server's socket. The client's has it from the listener.
    var isProbed = false
    let id: ConnectionID
    let client: PeerAddress
    let openedAt: Instant
    var lastActivity: Instant
    var dial: Dial
    var delivery = Delivery()
    /// When halves that splice are to look what has come; each by itself, so that none keeps the other from it.
    var upstreamLook: Instant?
    var downstreamLook: Instant?
    /// Bytes that events have told of.
    var reportedUpstream: UInt64 = 0
    var reportedDownstream: UInt64 = 0

    init(client: consuming Descriptor, peer: PeerAddress, id: ConnectionID, now: Instant, candidate: Int) {
        duplex = Duplex(client: client)
        self.client = peer
        self.id = id
        openedAt = now
        lastActivity = now
        dial = Dial(candidate: candidate, startedAt: now)
    }
}

/// How far the search for a server has come.
struct Dial {
    /// The address that is tried, an index of the worker's candidates.
    var candidate: Int32
    /// Attempts so far; its low bits tell an attempt's events from those of the one before.
    var attempts: Int32 = 0
    /// Addresses that have failed.
    var failed: Int32 = 0
    var startedAt: Instant
    /// Set while an attempt waits to be repeated, since the process or the machine lacked something for it.
    var retryAt: Instant?

    init(candidate: Int, startedAt: Instant) {
        self.candidate = Int32(candidate)
        self.startedAt = startedAt
    }
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
