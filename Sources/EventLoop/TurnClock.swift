public import Sockets

/// The time of a worker's wake-up, shared by everything that the wake-up processes.
///
/// The clock is read on first use, because most wake-ups only move bytes and do not need the time.
public struct TurnClock {
    @usableFromInline var time: Instant
    @usableFromInline var isCurrent = true

    @inlinable
    public init(_ time: Instant) {
        self.time = time
    }

    /// Returns the time of this wake-up.
    @inlinable
    public mutating func now<S: System & ~Copyable>(on system: inout S) -> Instant {
        if !isCurrent {
            time = system.now()
            isCurrent = true
        }
        return time
    }

    /// Starts the next wake-up.
    @inlinable
    public mutating func advance() {
        isCurrent = false
    }
}
