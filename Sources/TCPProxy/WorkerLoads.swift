import Synchronization

/// How many connections each worker has.
///
/// The kernel spreads connections over the workers' listening sockets by a hash, which is even for many and short ones.
/// Where they are few and long it is not, so a worker that accepts hands a connection over to one that has far fewer.
struct WorkerLoads: @unchecked Sendable {
    // Sendable: the memory is atomics only, and its owner outlives all who hold it (see `SharedMemory`).
    private let loads: UnsafeMutablePointer<Load>
    private let count: Int

    /// On a cache line of its own: each worker writes its own at every open and close.
    private struct Load: ~Copyable {
        let connections = Atomic<Int>(0)
        /// The last change of listeners and pools that the worker has made its own.
        let version = Atomic<Int>(0)
        let padding: (Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0)
    }

    /// A worker may have so many more connections than another before it hands some over: two, and half as many again.
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

    /// Which listeners and pools a worker knows: those of all changes up to this one.
    func version(of worker: Int) -> Int { loads[worker].version.load(ordering: .acquiring) }

    func setVersion(_ version: Int, of worker: Int) {
        loads[worker].version.store(version, ordering: .releasing)
    }

    /// Nobody is to hand anything over to this worker any more: it is about to end.
    func close(_ worker: Int) {
        add(1 << 40, to: worker)
    }

    /// Which worker is to have a connection that one has accepted.
    func place(acceptedBy worker: Int) -> Int {
        let own = self[worker]
        var least = (worker: worker, load: own)
        for other in 0..<count where self[other] < least.load { least = (other, self[other]) }
        return Self.isFarBelow(least.load, own) ? least.worker : worker
    }
}
