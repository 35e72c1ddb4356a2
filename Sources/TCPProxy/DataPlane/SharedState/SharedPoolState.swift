import EventLoop
import Synchronization

/// The state of one pool that workers share: the number of clients waiting for a connection slot, and the workers that
/// have any.
struct SharedPoolState: @unchecked Sendable {
    // Sendable: the memory holds only atomics, and its owner outlives all holders (see `SharedMemory`).
    /// Occupies its own cache line.
    struct State: ~Copyable {
        let waiting = Atomic<Int>(0)
        /// The workers that have waiting clients.
        let workers = AtomicWorkerSet()
        /// The worker from which on the next worker to notify is searched: the one after the last notified worker.
        let turn = Atomic<Int>(0)
        let padding: (Int, Int) = (0, 0)
    }

    /// The maximum number of pools of a process, including removed pools that still have connections.
    static let capacity = 4096

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
        state.pointee.workers.insert(worker)
        // Orders the mark before the caller's next poll of the servers, see `hasWaiting`.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }

    func leave() {
        state.pointee.waiting.subtract(1, ordering: .relaxed)
    }

    /// Selects a worker to notify after a connection slot has been released.
    ///
    /// - Returns: a worker that has waiting clients, or nil. Its mark is cleared; the caller notifies it, and it marks
    ///   itself again if it has more waiting clients.
    ///
    /// - Parameter asked: workers to skip because their clients cannot use the slot.
    func nextWaiting(but asked: WorkerSet = .none) -> Int? {
        // Start after the worker notified last, so that no worker's clients starve.
        let turn = state.pointee.turn.load(ordering: .relaxed)
        // A worker that another thread removes first is notified by that thread.
        while let worker = state.pointee.workers.current.subtracting(asked).first(from: turn) {
            guard state.pointee.workers.remove(worker) else { continue }
            state.pointee.turn.store((worker + 1) % WorkerSet.capacity, ordering: .relaxed)
            return worker
        }
        return nil
    }

    /// Whether clients wait. Called after a server was opened or its weight or limit was raised: a client that is not
    /// seen here sees the change of the server when its worker polls the servers again.
    var hasWaiting: Bool {
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        return waiting > 0
    }
}
