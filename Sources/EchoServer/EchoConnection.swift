import Sockets

/// One client: its descriptor, what is known of its readiness, and how far it has come.
struct EchoConnection: ~Copyable {
    enum Phase {
        case serving
        /// Our FIN is out, and what still comes is thrown away until the client ends too.
        case lingering
    }

    var descriptor: Descriptor
    var phase = Phase.serving
    /// Edge-triggered readiness is told once, so it is kept here until a call finds it gone.
    var isReadable = false
    var isWritable = false
    /// A receive that brings less than it could does not mean that nothing is left: an end, an error or an urgent byte,
    /// at which receiving stops (tcp(7), SO_OOBINLINE), lies behind.
    var mustDrain = false
    /// The client's FIN has been received.
    var hasEnded = false
    /// It is in the worker's ready list.
    var isListed = false
    var received = 0
    var sent = 0
    var unsent = UnsentBytes()
    /// Of the unsent bytes, those that have waited long enough; used only where answers are delayed.
    var released = 0
    var delays: DelayLine

    init(descriptor: consuming Descriptor, seed: UInt64) {
        self.descriptor = descriptor
        delays = DelayLine(seed: seed)
    }

    mutating func note(_ readiness: Readiness) {
        let over: Readiness = [.peerEnded, .hungUp, .failed]
        // Behind an end there is nothing, though it is told again with each event.
        if !hasEnded, !readiness.isDisjoint(with: over.union([.readable, .urgent])) { isReadable = true }
        if !readiness.isDisjoint(with: over.union(.urgent)) { mustDrain = true }
        if !readiness.isDisjoint(with: [.writable, .hungUp, .failed]) { isWritable = true }
    }
}
