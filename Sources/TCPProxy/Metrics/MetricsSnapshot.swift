/// A proxy's figures at one moment, summed over its workers.
///
/// Counts are exact for closed connections and at most a second old for open ones. A byte counts when the destination's
/// kernel has taken it.
public struct MetricsSnapshot: Sendable, Equatable {
    public var activeConnections = 0
    public var totalConnections = 0
    /// From clients to servers.
    public var bytesUpstream = 0
    /// From servers to clients.
    public var bytesDownstream = 0

    /// Of the bytes upstream and downstream, those that were spliced: they never were in user space.
    public var bytesSplicedUpstream = 0
    public var bytesSplicedDownstream = 0
    /// Pipes with bytes in them that a slow side does not take now.
    public var pipesInUse = 0
    /// How often a transfer was copied because there was no pipe, or only a smaller one.
    public var pipeRefusals = 0

    /// Clients ended at once because no server could be reached.
    public var refusedConnections = 0
    /// Clients whom a listener did not let in, by cause; each cause is there, most with zero. Those who were turned away as
    /// soon as they had been accepted are in no other figure.
    public var deniedConnections: [DenialCause: Int] = [:]
    /// Attempts to connect that failed, by cause; each cause is there, most with zero.
    public var connectFailures: [ConnectFailure: Int] = [:]
    /// Ended connections by why and by whom; only what has happened is there.
    public var closures: [Closure: Int] = [:]
    /// Time of successful attempts to connect.
    public var connectTime = DurationHistogram()
    /// Received bytes that could not be delivered: the side they were for was gone, or a reset's delivery time was over.
    public var bytesDiscardedUpstream = 0
    public var bytesDiscardedDownstream = 0
    /// How often a worker stopped accepting, by what was lacking.
    public var acceptPauses: [AcceptPause: Int] = [:]
    /// Events that their reader was too slow for.
    public var eventsDropped = 0
    /// Records of connections for the access log that it was too slow for, or could not write.
    public var accessRecordsDropped = 0

    public var openDescriptors = 0
    public var descriptorLimit = 0
    public var maxConnections = 0
    public var threads = 0
    public var uptime: Duration = .zero

    public init() {}

    /// How a connection ended.
    public struct Closure: Hashable, Sendable {
        public var reason: CloseReason
        public var side: Side

        public init(reason: CloseReason, side: Side) {
            self.reason = reason
            self.side = side
        }
    }
}

/// Why an attempt to connect to a server failed.
public enum ConnectFailure: UInt8, Hashable, Sendable, CaseIterable {
    case refused
    case timeout
    case unreachable
    /// The process or the machine is out of descriptors, memory or local ports.
    case exhausted
    /// The client went away first.
    case clientGone
    case other
}

/// What a worker lacked when it stopped accepting for a while.
public enum AcceptPause: UInt8, Hashable, Sendable, CaseIterable {
    /// The maximum of connections was reached.
    case connections
    /// The process or the machine had no descriptors or memory left.
    case exhausted
}

/// How many durations fell under each of some fixed bounds, as Prometheus has its histograms.
public struct DurationHistogram: Sendable, Equatable {
    /// Upper bounds in seconds, ascending; beyond the last there is one more count.
    public static let bounds: [Double] = [
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    /// One for each bound (not cumulated), and one for what is beyond.
    public var counts = [Int](repeating: 0, count: bounds.count + 1)
    public var sum: Duration = .zero

    public init() {}

    public var count: Int { counts.reduce(0, +) }
}
