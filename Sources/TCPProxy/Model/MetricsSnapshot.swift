/// Metrics of a proxy at one moment, summed over its workers.
///
/// Counts are exact for closed connections and at most one second old for open ones. A byte is counted when the kernel
/// of the destination has accepted it.
public struct MetricsSnapshot: Sendable, Equatable {
    /// Current number of connections.
    public var activeConnections = 0
    /// Total number of accepted connections.
    public var totalConnections = 0
    /// Bytes from clients to servers.
    public var bytesUpstream = 0
    /// Bytes from servers to clients.
    public var bytesDownstream = 0

    /// The part of ``bytesUpstream`` and ``bytesDownstream`` that was spliced, that is, never copied to user space.
    public var bytesSplicedUpstream = 0
    /// Total number of bytes relayed to clients without being copied to user space.
    public var bytesSplicedDownstream = 0
    /// Pipes that hold bytes which a slow receiver does not accept at present.
    public var pipesInUse = 0
    /// Number of transfers that were copied because no pipe, or only a smaller one, could be allocated.
    public var pipeAllocationFailures = 0
    /// Number of times that the system refused memory for connections: accepting was paused, or a connection was reset.
    public var memoryAllocationFailures = 0

    /// Connections closed immediately because no server was available.
    public var unservedConnections = 0
    /// Connections that a listener denied, by cause; contains all causes, including zeros. Connections rejected
    /// immediately after accept are in no other counter.
    public var deniedConnections: [DenyReason: Int] = [:]
    /// Connections beyond a limit that were admitted because the limits of their listener are only counted, by cause.
    public var dryRunDenials: [DenyReason: Int] = [:]
    /// Failed connection attempts by cause; contains all causes, including zeros.
    public var connectFailures: [ConnectFailure: Int] = [:]
    /// Closed connections by reason and initiating side; contains no zeros.
    public var closures: [Closure: Int] = [:]
    /// Durations of successful connection attempts.
    public var connectTime = DurationHistogram()
    /// Received bytes that could not be delivered because the receiver was gone or the delivery timeout of a reset
    /// expired.
    public var bytesDiscardedUpstream = 0
    /// Total number of bytes received from servers that could not be delivered to clients.
    public var bytesDiscardedDownstream = 0
    /// TLS handshakes with clients that succeeded, without those that resumed a session.
    public var fullHandshakes = 0
    /// TLS handshakes with clients that resumed a session.
    public var resumedHandshakes = 0
    /// TLS connections that the client ended without close_notify: what was received may be incomplete.
    public var truncatedUpstream = 0
    /// TLS connections that the server ended without close_notify.
    public var truncatedDownstream = 0
    /// Number of times that certificates were replaced because their files had changed.
    public var certificateReloads = 0
    /// Number of times that certificates were not replaced, because a changed file could not be used.
    public var failedCertificateReloads = 0
    /// Number of times that a worker paused accepting, by cause.
    public var acceptPauses: [AcceptPause: Int] = [:]
    /// Events dropped because their reader was too slow.
    public var eventsDropped = 0
    /// Access log records dropped because the log was too slow or could not write them.
    public var accessRecordsDropped = 0

    /// Open descriptors of the process, at most one second old.
    public var openDescriptors = 0
    /// The soft limit on descriptors (RLIMIT_NOFILE).
    public var descriptorLimit = 0
    /// Connection limit of the process.
    public var maxConnections = 0
    /// Number of worker threads.
    public var threads = 0
    /// Time since the proxy was bound.
    public var uptime: Duration = .zero

    /// Creates a snapshot whose counters are all zero.
    public init() {}

    /// Reason and initiating side of a closed connection.
    public struct Closure: Hashable, Sendable {
        /// Why the connection ended.
        public var reason: CloseReason
        /// Side that ended it.
        public var initiator: CloseInitiator

        /// Creates the key of a counter of ``MetricsSnapshot/closures``.
        public init(reason: CloseReason, initiator: CloseInitiator) {
            self.reason = reason
            self.initiator = initiator
        }
    }
}

/// Cause of a failed connection attempt.
public enum ConnectFailure: UInt8, Hashable, Sendable, CaseIterable {
    /// ECONNREFUSED; for a Unix socket also ENOENT.
    case refused
    /// The connect timeout expired, or ETIMEDOUT.
    case timeout
    /// ENETUNREACH, EHOSTUNREACH, ENETDOWN or EHOSTDOWN.
    case unreachable
    /// The process or the machine is out of descriptors, memory or local ports, or the accept queue of the server's
    /// Unix socket is full.
    case exhausted
    /// The client closed the connection before the attempt completed.
    case clientGone
    /// Any other error.
    case other
    /// The TLS handshake with the server failed: its certificate is not valid, for example.
    case tls
}

/// Cause of a pause in accepting connections.
public enum AcceptPause: UInt8, Hashable, Sendable, CaseIterable {
    /// The connection limit was reached.
    case connections
    /// The process or the machine was out of descriptors or memory.
    case exhausted
}
