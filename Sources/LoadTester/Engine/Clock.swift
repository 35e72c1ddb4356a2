import ProcessSupport
import Sockets

extension Instant {
    /// The monotonic clock as a thread's `System` reads it; for the control plane, which has no `System`.
    static var current: Instant { Instant(nanoseconds: WallClock.monotonicNanoseconds) }
}
