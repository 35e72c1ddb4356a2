import EventLoop
import Synchronization

/// The state of one pool that workers share: the number of clients waiting for a connection slot, and the workers that
/// have any.
struct SharedPoolState: @unchecked Sendable {
    // Sendable: the memory holds only atomics, and its owner outlives all holders (see `SharedMemory`).
    struct State: ~Copyable {
        let waiting = Atomic<Int>(0)
        /// A bit for each worker that has waiting clients.
        let workers = Atomic<UInt64>(0)
        /// The rotating start position of the search for the next worker to notify.
        let turn = Atomic<UInt64>(0)
        let padding: (Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0)
    }

    /// The maximum number of pools of a process, including removed pools that still have connections.
    static let capacity = 2048

    private let state: UnsafeMutablePointer<State>

    init(state: UnsafeMutablePointer<State>) {
        self.state = state
    }

    /// Number of waiting clients on all workers.
    var waiting: Int { state.pointee.waiting.load(ordering: .relaxed) }

    /// Adds a client of a worker to the queue.
    ///
    /// - Returns: false if the queue is full.
    func enter(worker: Int, limit: Int) -> Bool {
        if state.pointee.waiting.add(1, ordering: .relaxed).newValue > limit {
            state.pointee.waiting.subtract(1, ordering: .relaxed)
            return false
        }
        announce(worker)
        return true
    }

    /// Marks this worker as having waiting clients; after releasing a slot, a worker notifies a marked worker.
    func announce(_ worker: Int) {
        state.pointee.workers.bitwiseOr(1 << UInt64(worker), ordering: .sequentiallyConsistent)
    }

    func leave() {
        state.pointee.waiting.subtract(1, ordering: .relaxed)
    }

    /// Selects a worker to notify after a connection slot has been released.
    ///
    /// - Returns: a worker that has waiting clients, or nil. Its mark is cleared; the caller notifies it, and it marks
    ///   itself again if it has more waiting clients.
    ///
    /// - Parameter asked: a bit for each worker to skip because its clients cannot use the slot.
    func nextWaiting(but asked: UInt64 = 0) -> Int? {
        var workers = state.pointee.workers.load(ordering: .sequentiallyConsistent)
        guard workers & ~asked != 0 else { return nil }
        // Start at a different worker each time, so that no worker's clients starve.
        let turn = Int(state.pointee.turn.add(1, ordering: .relaxed).newValue % 64)
        while workers & ~asked != 0 {
            let meant = workers & ~asked
            let rotated = meant >> UInt64(turn) | meant << UInt64(64 - turn)
            let worker = (rotated.trailingZeroBitCount + turn) % 64
            let (exchanged, now) = state.pointee.workers.compareExchange(
                expected: workers,
                desired: workers & ~(1 << UInt64(worker)),
                ordering: .sequentiallyConsistent
            )
            if exchanged { return worker }
            workers = now
        }
        return nil
    }
}
