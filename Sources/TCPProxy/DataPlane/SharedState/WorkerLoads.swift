import Synchronization

/// Number of connections of each worker.
///
/// The kernel distributes connections over the workers' listening sockets by a hash. This is even for many short
/// connections but not for few long ones, so a worker hands an accepted connection over to a worker with far fewer
/// connections.
struct WorkerLoads: @unchecked Sendable {
    // Sendable: the memory holds only atomics, and its owner (`SharedMemory`) outlives every user.
    private let loads: UnsafeMutablePointer<Load>
    private let count: Int

    /// Padded to a cache line: each worker writes its own load on every open and close.
    private struct Load: ~Copyable {
        let connections = Atomic<Int>(0)
        /// Version of the last change of listeners and pools that the worker has applied.
        let version = Atomic<Int>(0)
        /// The worker after the last one that this worker compared with itself; only it writes this.
        let nextCompared = Atomic<Int>(0)
        let padding: (Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0)
    }

    /// Maximum number of workers whose loads are compared for one connection.
    static var maxCompared: Int { 16 }

    /// Whether a worker with `own` connections hands over to one with `least`: if the difference exceeds the larger of
    /// 2 and half of `least`.
    private static func isFarBelow(_ least: Int, _ own: Int) -> Bool { own > least + max(2, least / 2) }

    init(workers: Int) {
        count = workers
        loads = .allocate(capacity: workers)
        for index in 0..<workers { (loads + index).initialize(to: Load()) }
    }

    func free() {
        loads.deinitialize(count: count)
        loads.deallocate()
    }

    subscript(worker: Int) -> Int { loads[worker].connections.load(ordering: .relaxed) }

    func add(_ amount: Int, to worker: Int) {
        loads[worker].connections.add(amount, ordering: .relaxed)
    }

    /// Returns the version of the last change of listeners and pools that a worker has applied, along with all earlier
    /// ones.
    func version(of worker: Int) -> Int { loads[worker].version.load(ordering: .acquiring) }

    func setVersion(_ version: Int, of worker: Int) {
        loads[worker].version.store(version, ordering: .releasing)
    }

    /// Excludes a worker that is about to end from further handovers.
    func close(_ worker: Int) {
        add(1 << 40, to: worker)
    }

    /// Selects the worker for a connection that `worker` has accepted. With more than ``maxCompared`` workers, successive
    /// connections are compared with different ones.
    func place(acceptedBy worker: Int) -> Int {
        let own = self[worker]
        var least = (worker: worker, load: own)
        var other = 0
        if count > Self.maxCompared {
            other = loads[worker].nextCompared.load(ordering: .relaxed)
            loads[worker].nextCompared.store((other + Self.maxCompared) % count, ordering: .relaxed)
        }
        for _ in 0..<min(count, Self.maxCompared) {
            if self[other] < least.load { least = (other, self[other]) }
            other += 1
            if other == count { other = 0 }
        }
        return Self.isFarBelow(least.load, own) ? least.worker : worker
    }
}
