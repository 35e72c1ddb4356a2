import Sockets

/// One thread's share of a plan, resolved into the form that a generator uses.
struct GeneratorPlan: Sendable {
    var target: RawAddress
    var sources: [RawAddress] = []
    /// Number of connections of this thread, at least 1.
    var connections: Int
    var lifecycle = Lifecycle.kept
    var proxyHeader: LoadTest.ProxyHeader?
    /// nil without TLS.
    var tls: TLSPlan?
    /// Schedule of an open loop; nil for a closed loop.
    var schedule: Schedule?
    var queueLimit = 1 << 20

    var warmUp: Duration = .zero
    var duration: Duration
    var drain: Duration = .seconds(1)
    var timeout: Duration = .seconds(10)
    var connectTimeout: Duration = .seconds(5)
    /// Interval between bulletins.
    var interval: Duration = .seconds(1)
    /// Number of steps of a ramp within the measured time; 0 for none.
    var steps = 0
    /// Size of the receive buffer, in bytes.
    var bufferSize = 64 << 10

    /// The lifecycle of a connection.
    enum Lifecycle: Sendable, Hashable {
        /// Used for many exchanges; replaced if lost.
        case kept
        /// Used for one exchange.
        case perExchange(LoadTest.ConnectionEnding)
        /// Opened and left idle until the end, not replaced if lost; then used for one exchange.
        case held
    }
}

/// Bounds of a generator's operation.
enum Limits {
    /// Maximum number of concurrent connects: a listening socket's backlog is bounded too, and a dropped SYN costs a
    /// second.
    static let dialsAtOnce = 128
    /// Number of full buffers received or sent on one connection before the other connections get their turn.
    static let transfersPerVisit = 8
    /// Delay of the next connect after a failed one; doubled after each further failure, up to `maxRedialPause`.
    static let firstRedialPause: Duration = .milliseconds(10)
    static let maxRedialPause: Duration = .seconds(1)
    /// Bounds of the interval between timeout checks, which is one eighth of the shorter timeout.
    static let sweepIntervals: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(100))
    /// Maximum wait for the start once the connections are open: the other threads may need longer to open theirs.
    static let startPatience: Duration = .seconds(30)
    /// Maximum number of concurrent exchanges on held connections.
    static let checksAtOnce = 8
}
