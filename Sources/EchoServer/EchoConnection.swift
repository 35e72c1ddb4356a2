import Sockets

/// A client connection: its descriptor, cached readiness, and progress.
struct EchoConnection: ~Copyable {
    enum Phase {
        case serving
        /// The server has sent its FIN; received bytes are discarded until the client closes too.
        case lingering
    }

    var descriptor: Descriptor
    var phase = Phase.serving
    /// Edge-triggered readiness is reported once, so it is cached until a call shows that it no longer holds.
    var isReadable = false
    var isWritable = false
    /// Whether a short receive does not prove that the receive queue is empty: it may have stopped at EOF, an error or
    /// an urgent byte (tcp(7), SO_OOBINLINE).
    var mustDrain = false
    /// Whether the client's FIN has been received.
    var hasEnded = false
    /// Whether the connection is in the worker's ready list.
    var isListed = false
    var received = 0
    var sent = 0
    var unsent = UnsentBytes()
    /// Number of unsent bytes whose delay has expired; used only in a delayed echo.
    var released = 0
    var delays: DelayLine

    init(descriptor: consuming Descriptor, seed: UInt64) {
        self.descriptor = descriptor
        delays = DelayLine(seed: seed)
    }

    mutating func note(_ readiness: Readiness) {
        let over: Readiness = [.readHangup, .hungUp, .failed]
        // EOF has been received, so there is nothing left to read, although each event reports it again.
        if !hasEnded, !readiness.isDisjoint(with: over.union([.readable, .urgent])) { isReadable = true }
        if !readiness.isDisjoint(with: over.union(.urgent)) { mustDrain = true }
        if !readiness.isDisjoint(with: [.writable, .hungUp, .failed]) { isWritable = true }
    }
}
