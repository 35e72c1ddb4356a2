public import Sockets

/// Tells one connection of a proxy from all others, for as long as the proxy lives.
public struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    /// The worker that owns the connection in the upper 16 bits, its count there in the lower 48.
    public let rawValue: UInt64

    package init(worker: Int, count: UInt64) {
        rawValue = UInt64(worker) << 48 | (count & 0xFFFF_FFFF_FFFF)
    }

    /// Reads what ``description`` writes; nil if it is nothing like that.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let worker = UInt16(parts[0]), let count = UInt64(parts[1]), count >> 48 == 0 else {
            return nil
        }
        rawValue = UInt64(worker) << 48 | count
    }

    public var description: String { "\(rawValue >> 48).\(rawValue & 0xFFFF_FFFF_FFFF)" }
}

/// Who ended a connection.
public enum Side: UInt8, Hashable, Sendable, CaseIterable {
    case client
    case server
    /// The proxy itself: a time-out, a drain, an error of its own.
    case proxy
}

/// Why a connection ended.
public enum CloseReason: UInt8, Hashable, Sendable, CaseIterable {
    /// Both directions ended, each by its FIN.
    case ended
    /// One side reset it, or vanished.
    case reset
    /// No server could be reached.
    case connectFailed
    case idleTimeout
    case halfCloseTimeout
    case lifetime
    /// Its server went down, or was taken out, and its pool closes the connections of such.
    case serverDown
    /// Its listener did not let it in: ``DenialCause``.
    case denied
    /// The proxy was shutting down and its grace was over, or somebody has ordered it.
    case cut
}

/// Something that happened to a connection.
///
/// Events are lossy where their reader is slow, and byte events may be merged; figures that must be right are in
/// ``MetricsSnapshot``.
public enum MetricEvent: Sendable, Hashable {
    /// A client was accepted. `active` and `total` are the proxy's counts with it.
    case connectionOpened(id: ConnectionID, client: PeerAddress, active: Int, total: Int)
    /// A connection ended. `active` is the proxy's count without it.
    case connectionClosed(id: ConnectionID, client: PeerAddress, reason: CloseReason, by: Side, active: Int)
    /// Bytes from the client that the server's kernel took.
    case bytesUpstream(id: ConnectionID, client: PeerAddress, count: Int)
    /// Bytes from the server that the client's kernel took.
    case bytesDownstream(id: ConnectionID, client: PeerAddress, count: Int)
}
