/// Side that ended a connection.
public enum CloseInitiator: UInt8, Hashable, Sendable, CaseIterable {
    /// The client.
    case client
    /// The server.
    case server
    /// The proxy itself: a timeout, a drain, a denial, a pool without an available server, an internal error.
    case proxy
}

/// Reason for the end of a connection.
public enum CloseReason: UInt8, Hashable, Sendable, CaseIterable {
    /// Both directions ended with a FIN.
    case ended
    /// One side reset the connection or stopped responding.
    case reset
    /// Servers were tried, and none could be reached.
    case connectFailed
    /// No bytes were relayed for the idle timeout.
    case idleTimeout
    /// One direction had ended, and no bytes were relayed for the half-close timeout.
    case halfCloseTimeout
    /// The maximum lifetime was over.
    case lifetime
    /// The server went down and its pool closes connections to such servers, or the server was disabled.
    case serverDown
    /// The listener denied the connection; see ``DenyReason``.
    case denied
    /// Closed forcibly: the grace period of a shutdown was over, or an administrator requested it.
    case forced
    /// No server could be tried: all are down, ejected or drained.
    case noServer
    /// All available servers were at their connection limit, and the queue was full or disabled.
    case queueFull
    /// No server became available within the queue timeout.
    case queueTimeout
}
