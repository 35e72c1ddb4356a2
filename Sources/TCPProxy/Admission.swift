import Synchronization
import Workers

/// How many connections the whole process has, and whether it may have one more.
///
/// Shared by all workers and decided at accept and close, never on the way of a byte.
struct Admission: @unchecked Sendable {
    // Sendable: the memory is atomics only, and its owner outlives all who hold it (see `SharedMemory`).
    private struct State: ~Copyable {
        /// Places that are taken: by connections, and for a moment by workers that look whether there is one to accept.
        let taken = Atomic<Int>(0)
        let active = Atomic<Int>(0)
        let total = Atomic<Int>(0)
        /// A bit for each worker that has stopped accepting because the maximum was reached.
        let waiting = Atomic<UInt64>(0)
        /// How many read ``Proxy/events``.
        let listeners = Atomic<Int>(0)
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

    /// Takes a place, if there is one; ``release()`` gives it back.
    func reserve() -> Bool {
        // Never above the limit, not even for a moment: a worker that is about to wait would take that for a full house.
        var taken = state.pointee.taken.load(ordering: .relaxed)
        while taken < limit {
            let (exchanged, now) = state.pointee.taken.weakCompareExchange(
                expected: taken,
                desired: taken + 1,
                successOrdering: .sequentiallyConsistent,
                failureOrdering: .relaxed
            )
            if exchanged { return true }
            taken = now
        }
        return false
    }

    /// Counts a connection for which a place was reserved.
    ///
    /// - Returns: how many there are, and how many there have been, with it.
    func countOpened() -> (active: Int, total: Int) {
        (
            state.pointee.active.add(1, ordering: .relaxed).newValue,
            state.pointee.total.add(1, ordering: .relaxed).newValue
        )
    }

    /// Counts a connection as closed; its place is still taken.
    ///
    /// - Returns: how many are left.
    func countClosed() -> Int {
        state.pointee.active.subtract(1, ordering: .relaxed).newValue
    }

    /// Gives a place back.
    ///
    /// - Returns: a worker that waits for a place, if there is one; the caller wakes it.
    func release() -> Int? {
        state.pointee.taken.subtract(1, ordering: .sequentiallyConsistent)
        return nextWaiting()
    }

    /// Enters a worker among those that wait for a place.
    ///
    /// - Returns: false if a place has become free meanwhile, and it need not wait.
    func wait(worker: Int) -> Bool {
        state.pointee.waiting.bitwiseOr(1 << UInt64(worker), ordering: .sequentiallyConsistent)
        guard state.pointee.taken.load(ordering: .sequentiallyConsistent) < limit else { return true }
        // Whoever freed it may have looked for us before we were entered.
        state.pointee.waiting.bitwiseAnd(~(1 << UInt64(worker)), ordering: .sequentiallyConsistent)
        return false
    }

    /// A worker that waits for a place, if there is one; it waits no longer, and the caller wakes it.
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

    // MARK: Events

    /// Whether anybody reads events; while not, none are written.
    var hasListeners: Bool { state.pointee.listeners.load(ordering: .relaxed) > 0 }

    /// - Returns: how many listeners there are now.
    func addListener() -> Int { state.pointee.listeners.add(1, ordering: .acquiringAndReleasing).newValue }

    func removeListener() { state.pointee.listeners.subtract(1, ordering: .acquiringAndReleasing) }
}
