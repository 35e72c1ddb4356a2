public import Sockets

/// Identifier of a connection, unique for the lifetime of the proxy.
public struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    /// Number of the worker that owns the connection in the upper 16 bits, its sequence number there in the lower 48.
    public let rawValue: UInt64

    package init(worker: Int, count: UInt64) {
        rawValue = UInt64(worker) << 48 | (count & 0xFFFF_FFFF_FFFF)
    }

    /// Parses the format of ``description``; returns nil for any other text.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let worker = UInt16(parts[0]), let count = UInt64(parts[1]), count >> 48 == 0 else {
            return nil
        }
        rawValue = UInt64(worker) << 48 | count
    }

    /// The two parts of ``rawValue`` in decimal, separated by a dot.
    public var description: String { "\(rawValue >> 48).\(rawValue & 0xFFFF_FFFF_FFFF)" }
}

/// Side that ended a connection.
public enum Initiator: UInt8, Hashable, Sendable, CaseIterable {
    case client
    case server
    /// The proxy itself: a timeout, a drain, an internal error.
    case proxy
}

/// Reason for the end of a connection.
public enum CloseReason: UInt8, Hashable, Sendable, CaseIterable {
    /// Both directions ended with a FIN.
    case ended
    /// One side reset the connection or stopped responding.
    case reset
    /// No server was available, or none could be reached.
    case connectFailed
    case idleTimeout
    case halfCloseTimeout
    case lifetime
    /// The server went down and its pool closes connections to such servers, or the server was disabled.
    case serverDown
    /// The listener denied the connection; see ``DenyReason``.
    case denied
    /// Closed forcibly: the grace period of a shutdown was over, or an administrator requested it.
    case forced
}

/// An event of a connection.
///
/// Events are dropped if the reader is too slow, and byte events may be merged; use ``MetricsSnapshot`` for exact
/// counters.
public enum MetricEvent: Sendable, Hashable {
    /// A connection was accepted. `active` and `total` are the counts of the proxy including this connection.
    case connectionOpened(id: ConnectionID, client: PeerAddress, active: Int, total: Int)
    /// A connection ended. `active` is the count of the proxy without this connection.
    case connectionClosed(id: ConnectionID, client: PeerAddress, reason: CloseReason, by: Initiator, active: Int)
    /// Bytes from the client were accepted by the server's kernel.
    case bytesUpstream(id: ConnectionID, client: PeerAddress, count: Int)
    /// Bytes from the server were accepted by the client's kernel.
    case bytesDownstream(id: ConnectionID, client: PeerAddress, count: Int)
}
