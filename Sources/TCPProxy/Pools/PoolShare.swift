import Synchronization
import Workers

/// How many clients wait for a place at one of a pool's servers, and on which workers.
struct PoolShare: @unchecked Sendable {
    // Sendable: the memory is atomics only, and its owner outlives all who hold it (see `SharedMemory`).
    struct State: ~Copyable {
        let waiting = Atomic<Int>(0)
        /// A bit for each worker on which somebody waits.
        let workers = Atomic<UInt64>(0)
        /// Whose turn it is to be told first.
        let turn = Atomic<UInt64>(0)
        let padding: (Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0)
    }

    /// The most pools of a process, those that have gone and still have connections included.
    static let capacity = 2048

    private let state: UnsafeMutablePointer<State>

    init(state: UnsafeMutablePointer<State>) {
        self.state = state
    }

    /// Clients of all workers that wait.
    var waiting: Int { state.pointee.waiting.load(ordering: .relaxed) }

    /// Enters a client of a worker.
    ///
    /// - Returns: false if as many wait as may.
    func enter(worker: Int, limit: Int) -> Bool {
        if state.pointee.waiting.add(1, ordering: .relaxed).newValue > limit {
            state.pointee.waiting.subtract(1, ordering: .relaxed)
            return false
        }
        announce(worker)
        return true
    }

    /// Somebody waits on this worker: whoever gives a place back is to tell it.
    func announce(_ worker: Int) {
        state.pointee.workers.bitwiseOr(1 << UInt64(worker), ordering: .sequentiallyConsistent)
    }

    func leave() {
        state.pointee.waiting.subtract(1, ordering: .relaxed)
    }

    /// A place has been given back.
    ///
    /// - Returns: a worker on which somebody waited, if there is one; the caller tells it, and it announces itself anew if
    ///   others wait there.
    ///
    /// - Parameter asked: a bit for each worker that is not meant, since nobody there can use the place.
    func nextWaiting(but asked: UInt64 = 0) -> Int? {
        var workers = state.pointee.workers.load(ordering: .sequentiallyConsistent)
        guard workers & ~asked != 0 else { return nil }
        // Another one first each time, so that no worker's clients wait for ever.
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

/// What workers share about each pool, by the pools' numbers.
final class PoolTable: Sendable {
    // Never handed out but as `PoolShare`, whose memory is atomics only.
    private nonisolated(unsafe) let pages: Pages

    init() {
        // Zeroed pages are pools for whose servers nobody waits.
        pages = Pages(bytes: PoolShare.capacity * MemoryLayout<PoolShare.State>.stride)
    }

    deinit {
        pages.free()
    }

    subscript(number: Int) -> PoolShare {
        precondition((0..<PoolShare.capacity).contains(number), "pools are numbered 0 to \(PoolShare.capacity - 1)")
        let states = pages.base.bindMemory(to: PoolShare.State.self, capacity: PoolShare.capacity)
        return PoolShare(state: states + number)
    }
}
