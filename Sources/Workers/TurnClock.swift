public import Sockets

/// The time of a worker's wake-up: all that one wake-up does happens at it.
///
/// Read from the system when it is first asked for, because most wake-ups only move bytes and need no time.
public struct TurnClock {
    @usableFromInline var time: Instant
    @usableFromInline var isCurrent = true

    @inlinable
    public init(_ time: Instant) {
        self.time = time
    }

    /// The time of this wake-up.
    @inlinable
    public mutating func now<S: System & ~Copyable>(on system: inout S) -> Instant {
        if !isCurrent {
            time = system.now()
            isCurrent = true
        }
        return time
    }

    /// Begins another wake-up.
    @inlinable
    public mutating func advance() {
        isCurrent = false
    }
}
