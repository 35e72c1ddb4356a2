import Sockets

/// A configuration change in a single message: between two wakeups a worker uses the old configuration, then the new
/// one.
struct WorkerChange: Sendable {
    struct Pool: Sendable {
        var number: Int
        var plan: PoolPlan
    }

    struct Listener: Sendable {
        enum Source: Sendable {
            /// A new socket of this worker, by descriptor number.
            case opened(Int32, isInherited: Bool = false)
            /// The socket of another listener of this worker; the options, if any, are applied to it.
            case moved(from: Int, ListenOptions?)
        }

        var number: Int
        var source: Source
        var settings: ListenerSettings
        /// The number of the listener's ``ListenerLimits``.
        var limits: Int
    }

    /// The sequence number of the change, starting at 1.
    var version: Int
    /// New and changed pools.
    var pools: [Pool]
    /// New and changed listeners, in the order of their numbers.
    var listeners: [Listener]
    /// Listeners to close. Their connections continue.
    var closed: [Int]
    let latch: CountdownLatch
}
