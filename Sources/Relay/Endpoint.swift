public import Sockets

/// One end of a relayed connection: a socket and its known readiness.
///
/// The socket is registered once and edge-triggered, so its readiness is stored here: an event sets it, and a short or
/// failed transfer clears it. Both directions of a relay share an endpoint, one as its source, the other as its sink.
public struct Endpoint: ~Copyable {
    /// The socket; nil before it is connected and after it is closed.
    public var descriptor: Descriptor?
    /// The error of the socket, if any. Nothing more can be sent to the socket; bytes that it has received can still be
    /// read.
    public var failure: SystemError?
    public var canReceive = false
    public var canSend = false
    /// Whether a short read may leave data in the queue, because an EOF, an error or an urgent mark may follow.
    public var readsToTheEnd = false

    /// Creates an endpoint for an open socket, or without a socket.
    @inlinable
    public init(_ descriptor: consuming Descriptor?, canSend: Bool) {
        self.descriptor = descriptor
        self.canSend = canSend
    }

    /// Records the readiness reported by the poller.
    @inlinable
    public mutating func note(_ readiness: Readiness) {
        if !readiness.isDisjoint(with: [.readable, .urgent, .readHangup, .hungUp, .failed]) { canReceive = true }
        if !readiness.isDisjoint(with: [.urgent, .readHangup, .hungUp, .failed]) { readsToTheEnd = true }
        if readiness.contains(.writable) { canSend = true }
    }
}
