import Sockets
import Synchronization

/// A lock-free token bucket shared by all workers: the rate of new connections of a listener.
struct SharedTokenBucket: @unchecked Sendable {
    // Sendable: the memory is one atomic, and its owner outlives all holders.
    private struct State: ~Copyable {
        let fullAt = Atomic<UInt64>(0)
        /// Puts the atomic on its own cache line.
        let padding: (Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0)
    }

    private let state: UnsafeMutablePointer<State>

    init() {
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    func free() {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Takes a token; returns false if the bucket is empty.
    func take(_ rate: TokenRate, at now: Instant) -> Bool {
        var fullAt = state.pointee.fullAt.load(ordering: .relaxed)
        // Terminates: an exchange is lost only to a worker that took a token, and the number of tokens is finite.
        while true {
            let bucket = TokenBucket(fullAt: Instant(nanoseconds: fullAt))
            let (next, isTaken) = bucket.taking(rate, at: now)
            if next == bucket { return isTaken }
            let (exchanged, current) = state.pointee.fullAt.weakCompareExchange(
                expected: fullAt,
                desired: next.fullAt.nanoseconds,
                ordering: .relaxed
            )
            if exchanged { return isTaken }
            fullAt = current
        }
    }
}
