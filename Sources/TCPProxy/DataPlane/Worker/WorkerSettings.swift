import Relay

/// The configuration of a worker at its creation.
struct WorkerSettings: Sendable {
    var engine: RelayEngine
    /// The maximum number of pipes in use for splicing in one worker.
    var pipes: Int
    /// When directions batch their reads.
    var batching = BatchingPolicy()

    /// Maximum number of connections accepted per wakeup, for fairness.
    static var acceptsPerWakeUp: Int { 32 }
    /// Maximum number of TLS handshakes that are continued per wakeup: each takes up to half a millisecond.
    static var handshakesPerWakeUp: Int { 2 }
    /// Minimum time in preread after which a connection may be closed in favor of a new one, at the connection limit of
    /// the process.
    static var minPrereadTime: Duration { .seconds(1) }
    /// Maximum number of unread examples of denied connections.
    static var maxDenialExamples: Int { 64 }
    /// Maximum number of held listeners that are reported again after one wakeup.
    static var resumedListenersPerWakeUp: Int { 32 }
    /// The number of messages in a worker's mailbox at which handover of connections to it stops.
    static var maxHandedOver: Int { 256 }
    /// Maximum number of reads, of 32 KiB each, of bytes that a peer has sent after the end of its plaintext.
    static var maxDiscardedReads: Int { 32 }
    /// Retry interval for accepting after descriptors or memory were exhausted; the end of a connection triggers an
    /// earlier retry.
    static var acceptRetryInterval: Duration { .milliseconds(100) }
    /// Time allowed for handshakes in progress after new ones are stopped. In the worst case, a client with a longer
    /// round-trip time is reset.
    static var handshakeTimeout: Duration { .milliseconds(100) }
    /// Retry interval for a connection attempt after descriptors or memory were exhausted.
    static var dialRetryInterval: Duration { .milliseconds(20) }
    /// The age at which a connection counts as long-lived. Most connections end earlier and need no TCP keep-alive.
    static var keepAliveAge: Duration { .seconds(1) }
    /// Minimum idle time after which unused pipes are closed; at most twice as long.
    static var idlePipeTimeout: Duration { .seconds(2) }
    /// Initial and maximum interval of the checks whether a pending reset can be sent.
    static var resetDrainPollInterval: ClosedRange<Duration> { .milliseconds(1)...(.milliseconds(64)) }
}
