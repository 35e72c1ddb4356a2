import Sockets
import Synchronization

/// One bucket for all workers, without a lock: a listener's own rate of new connections.
struct SharedTokenBucket: @unchecked Sendable {
    // Sendable: the memory is one atomic, and its owner outlives all who hold it.
    private struct State: ~Copyable {
        let fullAt = Atomic<UInt64>(0)
        /// On a cache line of its own.
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

    /// Takes a token, if there is one.
    func take(_ rate: TokenRate, at now: Instant) -> Bool {
        var fullAt = state.pointee.fullAt.load(ordering: .relaxed)
        // Ends: who loses the exchange lost it to another who took a token, and there is an end to these.
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
