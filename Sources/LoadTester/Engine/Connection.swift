import Sockets

/// A connection of a generator, with the exchange that it is in.
struct Connection<Exchange: BitwiseCopyable & Sendable>: ~Copyable {
    enum Phase: UInt8 {
        /// It is being established.
        case dialing
        /// It waits for a request.
        case idle
        /// A request was sent, or begun, and its response has not come to its end.
        case busy
        /// Held, and its exchange done.
        case checked
    }

    let descriptor: Descriptor
    var phase = Phase.dialing
    /// Bytes, or an end, may have come while nobody wanted them; the poller does not say so again.
    var isUnread = false
    /// The peer has ended its stream, or the connection has failed; bytes from before may be left to receive.
    var hasEnded = false
    /// The peer has sent an urgent byte: a short receive says nothing about what is left.
    var stopsShort = false
    /// When its connect began.
    var dialedAt: Instant
    /// Since when it waits for a request.
    var idleSince: Instant
    /// When its request was due, and when it was sent.
    var due: Instant
    var sentAt: Instant
    var exchange: Exchange

    init(descriptor: consuming Descriptor, dialedAt: Instant, due: Instant, exchange: Exchange) {
        self.descriptor = descriptor
        self.dialedAt = dialedAt
        self.due = due
        self.exchange = exchange
        idleSince = dialedAt
        sentAt = dialedAt
    }
}
