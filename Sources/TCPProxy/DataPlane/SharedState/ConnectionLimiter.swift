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
        /// Connections whose client has not yet sent its PROXY protocol header or ClientHello.
        let prereads = Atomic<Int>(0)
        /// The workers that stopped accepting because the limit was reached.
        let waiting = AtomicWorkerSet()
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

    /// Number of connections that are in preread, on all workers.
    var prereads: Int { state.pointee.prereads.load(ordering: .relaxed) }

    /// Counts connections that begin preread, or end it if negative.
    func addPrereads(_ count: Int) { state.pointee.prereads.add(count, ordering: .relaxed) }

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
        state.pointee.waiting.insert(worker)
        guard state.pointee.taken.load(ordering: .sequentiallyConsistent) < limit else { return true }
        // The worker that returned the permit may have read the set before this worker was in it.
        state.pointee.waiting.remove(worker)
        return false
    }

    /// Removes one worker from the set of waiting workers and returns it, or nil if none waits; the caller must wake it.
    func nextWaiting() -> Int? {
        // A worker that another thread removes first is woken by that thread.
        while let worker = state.pointee.waiting.current.first(from: 0) {
            if state.pointee.waiting.remove(worker) { return worker }
        }
        return nil
    }
}
