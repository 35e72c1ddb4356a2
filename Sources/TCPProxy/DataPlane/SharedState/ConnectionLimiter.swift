import EventLoop
import Synchronization

/// Connection count and connection limit of the whole process.
///
/// Shared by all workers. Used when a connection is accepted or closed, never on the data path.
struct ConnectionLimiter: @unchecked Sendable {
    // Sendable: the memory holds only atomics, and its owner (`SharedMemory`) outlives every user.
    private struct State: ~Copyable {
        /// Permits in use: by connections, and briefly by workers that are about to call accept.
        let taken = Atomic<Int>(0)
        let active = Atomic<Int>(0)
        let total = Atomic<Int>(0)
        /// Bit mask of the workers that stopped accepting because the limit was reached.
        let waiting = Atomic<UInt64>(0)
    }

    let limit: Int
    private let state: UnsafeMutablePointer<State>

    init(limit: Int) {
        self.limit = limit
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    func free() {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    var taken: Int { state.pointee.taken.load(ordering: .relaxed) }
    var active: Int { state.pointee.active.load(ordering: .relaxed) }
    var total: Int { state.pointee.total.load(ordering: .relaxed) }

    /// Reserves a permit, which ``release()`` returns; returns false if the limit is reached.
    func reserve() -> Bool {
        state.pointee.taken.increment(to: limit)
    }

    /// Counts a connection for which a permit was reserved.
    ///
    /// - Returns: the number of open connections and the number of connections ever opened, both including this one.
    func countOpened() -> (active: Int, total: Int) {
        (
            state.pointee.active.add(1, ordering: .relaxed).newValue,
            state.pointee.total.add(1, ordering: .relaxed).newValue
        )
    }

    /// Counts a connection as closed without returning its permit.
    ///
    /// - Returns: the number of connections still open.
    func countClosed() -> Int {
        state.pointee.active.subtract(1, ordering: .relaxed).newValue
    }

    /// Returns a permit.
    ///
    /// - Returns: a worker that waits for a permit, or nil if none waits; the caller must wake it.
    func release() -> Int? {
        state.pointee.taken.subtract(1, ordering: .sequentiallyConsistent)
        return nextWaiting()
    }

    /// Registers a worker as waiting for a permit.
    ///
    /// - Returns: false if a permit was returned in the meantime, so that the worker need not wait.
    func wait(worker: Int) -> Bool {
        state.pointee.waiting.bitwiseOr(1 << UInt64(worker), ordering: .sequentiallyConsistent)
        guard state.pointee.taken.load(ordering: .sequentiallyConsistent) < limit else { return true }
        // The worker that returned the permit may have read the mask before this bit was set.
        state.pointee.waiting.bitwiseAnd(~(1 << UInt64(worker)), ordering: .sequentiallyConsistent)
        return false
    }

    /// Removes one worker from the mask of waiting workers and returns it, or nil if none waits; the caller must wake
    /// it.
    func nextWaiting() -> Int? {
        var waiting = state.pointee.waiting.load(ordering: .sequentiallyConsistent)
        while waiting != 0 {
            let worker = waiting.trailingZeroBitCount
            let (exchanged, now) = state.pointee.waiting.compareExchange(
                expected: waiting,
                desired: waiting & ~(1 << UInt64(worker)),
                ordering: .sequentiallyConsistent
            )
            if exchanged { return worker }
            waiting = now
        }
        return nil
    }
}
