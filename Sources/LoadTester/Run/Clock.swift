import Glibc
import Sockets

extension Instant {
    /// The monotonic clock, as a thread's `System` reads it; for the control plane, which has none.
    static var current: Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}
