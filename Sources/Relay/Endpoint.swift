public import Sockets

/// One end of a relayed connection: a socket, and what is known of its readiness.
///
/// Registered once and edge-triggered, so readiness is remembered here: an event sets it, a call that comes back short
/// clears it. Both halves of a relay share an endpoint, one as source, the other as sink.
public struct Endpoint: ~Copyable {
    /// nil before it is connected and after it is closed.
    public var descriptor: Descriptor?
    /// The socket's error, once it had one: nothing more can be sent to it, and what it had sent can still be received.
    public var failure: SystemError?
    public var canReceive = false
    public var canSend = false
    /// A short read does not mean that the queue is empty: an end, an error or an urgent mark may stand behind it.
    public var readsToTheEnd = false

    /// A socket that is open, or none yet.
    @inlinable
    public init(_ descriptor: consuming Descriptor?, canSend: Bool) {
        self.descriptor = descriptor
        self.canSend = canSend
    }

    /// Takes note of what the poller has reported.
    @inlinable
    public mutating func note(_ readiness: Readiness) {
        if !readiness.isDisjoint(with: [.readable, .urgent, .peerEnded, .hungUp, .failed]) { canReceive = true }
        if !readiness.isDisjoint(with: [.urgent, .peerEnded, .hungUp, .failed]) { readsToTheEnd = true }
        if readiness.contains(.writable) { canSend = true }
    }
}

/// Which of the two a connection's endpoint belongs to.
public enum Party: UInt8, Sendable {
    case client
    case server
}
