import Sockets

/// A connection of a generator, with its current exchange.
struct Connection<Exchange: BitwiseCopyable & Sendable>: ~Copyable {
    enum Phase: UInt8 {
        /// Being established.
        case dialing
        /// In the TLS handshake.
        case securing
        /// Waiting for a request.
        case idle
        /// A request was sent, at least in part, and its response is not complete.
        case busy
        /// An exchange without data over TLS is complete, and the end of the peer's stream is awaited.
        case closing
        /// A held connection whose exchange is complete.
        case checked
    }

    let descriptor: Descriptor
    var phase = Phase.dialing
    /// Whether bytes or EOF may have arrived while the connection was not read; the poller does not report them again.
    var isUnread = false
    /// Whether the peer has closed its stream or the connection has failed; earlier bytes may still be readable.
    var hasEnded = false
    /// Whether the peer has sent an urgent byte, so that a short receive does not prove that the receive queue is
    /// empty.
    var endsEarly = false
    /// Whether the sending side was shut down: its FIN counts as an unacknowledged byte until it is acknowledged.
    var hasEndedSending = false
    /// Bytes sent that are not known to have been acknowledged; part of ``Counts/bytesUnacknowledged``.
    var unacknowledged = 0
    /// When the connect started.
    var dialedAt: Instant
    /// When the connection became idle.
    var idleSince: Instant
    /// When the request was due, and when it was sent.
    var due: Instant
    var sentAt: Instant
    var exchange: Exchange

    /// Whether the connection is not established yet.
    var isOpening: Bool { phase == .dialing || phase == .securing }

    init(descriptor: consuming Descriptor, dialedAt: Instant, due: Instant, exchange: Exchange) {
        self.descriptor = descriptor
        self.dialedAt = dialedAt
        self.due = due
        self.exchange = exchange
        idleSince = dialedAt
        sentAt = dialedAt
    }
}
