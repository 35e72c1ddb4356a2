public import Sockets

/// An event of a connection.
///
/// Events are dropped if the reader is too slow, and byte events may be merged; use ``MetricsSnapshot`` for exact
/// counters.
public enum MetricEvent: Sendable, Hashable {
    /// A connection was accepted. `active` and `total` are the counts of the proxy including this connection.
    case connectionOpened(id: ConnectionID, client: PeerAddress, active: Int, total: Int)
    /// A connection ended. `active` is the count of the proxy without this connection.
    case connectionClosed(id: ConnectionID, client: PeerAddress, reason: CloseReason, by: CloseInitiator, active: Int)
    /// Bytes from the client were accepted by the server's kernel.
    case bytesUpstream(id: ConnectionID, client: PeerAddress, count: Int)
    /// Bytes from the server were accepted by the client's kernel.
    case bytesDownstream(id: ConnectionID, client: PeerAddress, count: Int)
}
