import Sockets

/// One thread's share of a plan, in the form in which a generator looks at it.
struct GeneratorPlan: Sendable {
    var target: RawAddress
    var sources: [RawAddress] = []
    /// Connections of this thread, 1 at least.
    var connections: Int
    var lifecycle = Lifecycle.kept
    /// nil is a closed loop.
    var schedule: Schedule?
    var queueLimit = 1 << 20

    var warmUp: Duration = .zero
    var duration: Duration
    var drain: Duration = .seconds(1)
    var timeout: Duration = .seconds(10)
    var connectTimeout: Duration = .seconds(5)
    /// How often a bulletin is due.
    var interval: Duration = .seconds(1)
    /// Steps of a ramp over the measured time; 0 for none.
    var steps = 0
    /// For one receive.
    var bufferSize = 64 << 10

    /// What becomes of a connection.
    enum Lifecycle: Sendable, Hashable {
        /// It serves exchange after exchange, and another takes its place if it is lost.
        case kept
        /// It serves one exchange.
        case perExchange(Ending)
        /// It is opened and left alone until the end, not replaced if it is lost, and then serves one exchange.
        case held
    }
}

/// Bounds of what a generator does, each with its reason.
enum Limits {
    /// Connects under way at the same time: a listener's queue is bounded too, and a dropped SYN costs a second.
    static let dialsAtOnce = 128
    /// Full buffers received, or sent, on one connection before the others have their turn.
    static let transfersPerVisit = 8
    /// After a failed connect the next is tried this much later, twice as much after each further one, up to the second.
    static let firstRedialPause: Duration = .milliseconds(10)
    static let longestRedialPause: Duration = .seconds(1)
    /// How often connections are looked through for those past their time: an eighth of it, within these.
    static let sweepIntervals: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(100))
    /// Between the connections' being open and the start: the other threads may need longer.
    static let startPatience: Duration = .seconds(30)
    /// Exchanges at the same time on connections that were held.
    static let checksAtOnce = 8
}
