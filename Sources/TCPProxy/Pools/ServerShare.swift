import Balancing
import Synchronization
import Workers

/// What all workers must agree on about one server: how many connections it has, and whether it may have one more.
///
/// Decided at connect and close, never on the way of a byte. The control plane writes whether the server is open and what
/// it weighs; workers read that when they choose.
struct ServerShare: @unchecked Sendable {
    // Sendable: the memory is atomics only, and its owner outlives all who hold it (see `SharedMemory`).

    /// On cache lines of its own: two servers' counts change at the same time.
    struct State: ~Copyable {
        /// Places that are taken: by connections, and by attempts to connect.
        let connections = Atomic<Int>(0)
        let limit = Atomic<Int>(0)
        /// 0 takes no new connections.
        let weight = Atomic<Int>(0)
        /// Up, not ejected, not drained.
        let isOpen = Atomic<Bool>(false)
        /// Attempts that have failed since the last that has not.
        let failuresInARow = Atomic<Int>(0)
        let connectTime = Atomic<Int>(0)
        let connectTimeAt = Atomic<Int>(0)
        let serial = Atomic<Int>(0)
        let padding: (Int, Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0, 0)
    }

    /// Its place in the ``ServerTable``, and in the pages of figures.
    let id: Int
    private let state: UnsafeMutablePointer<State>

    fileprivate init(id: Int, state: UnsafeMutablePointer<State>) {
        self.id = id
        self.state = state
    }

    var connections: Int { state.pointee.connections.load(ordering: .relaxed) }
    var limit: Int { state.pointee.limit.load(ordering: .relaxed) }
    var weight: Int { state.pointee.weight.load(ordering: .relaxed) }
    var isOpen: Bool { state.pointee.isOpen.load(ordering: .relaxed) }
    var failuresInARow: Int { state.pointee.failuresInARow.load(ordering: .relaxed) }
    /// A moving peak of how long connecting took, in nanoseconds; 0 before the first connection.
    var connectTime: Int { state.pointee.connectTime.load(ordering: .relaxed) }

    /// Tells the server from all others that the process has had, also from those that had its place before.
    var serial: Int { state.pointee.serial.load(ordering: .relaxed) }

    // MARK: For the control plane

    func set(isOpen: Bool) { state.pointee.isOpen.store(isOpen, ordering: .relaxed) }
    func set(weight: Int) { state.pointee.weight.store(weight, ordering: .relaxed) }
    func set(limit: Int) { state.pointee.limit.store(limit, ordering: .relaxed) }

    fileprivate func reset(serial: Int) {
        state.pointee.serial.store(serial, ordering: .relaxed)
        state.pointee.limit.store(.max, ordering: .relaxed)
        state.pointee.weight.store(1, ordering: .relaxed)
        state.pointee.isOpen.store(true, ordering: .relaxed)
        state.pointee.failuresInARow.store(0, ordering: .relaxed)
        state.pointee.connectTime.store(0, ordering: .relaxed)
        state.pointee.connectTimeAt.store(0, ordering: .relaxed)
    }

    // MARK: For workers

    /// Takes a place, if there is one; ``release()`` gives it back.
    func reserve() -> Bool {
        // Never above the limit, not even for a moment: whoever waits for a place would take that for a full house.
        let limit = limit
        var connections = connections
        while connections < limit {
            let (exchanged, now) = state.pointee.connections.weakCompareExchange(
                expected: connections,
                desired: connections + 1,
                successOrdering: .sequentiallyConsistent,
                failureOrdering: .relaxed
            )
            if exchanged { return true }
            connections = now
        }
        return false
    }

    func release() {
        state.pointee.connections.subtract(1, ordering: .sequentiallyConsistent)
    }

    /// - Parameters:
    ///   - duration: for how long nobody answered, in nanoseconds; nil if somebody did, and refused.
    ///   - now: of the monotonic clock, in nanoseconds.
    func noteFailure(after duration: Int?, now: Int) {
        state.pointee.failuresInARow.add(1, ordering: .relaxed)
        if let duration { noteConnectTime(duration, now: now) }
    }

    /// - Parameters:
    ///   - duration: how long connecting took, in nanoseconds.
    ///   - now: of the monotonic clock, in nanoseconds.
    func noteConnected(after duration: Int, now: Int) {
        if failuresInARow != 0 { state.pointee.failuresInARow.store(0, ordering: .relaxed) }
        noteConnectTime(duration, now: now)
    }

    private func noteConnectTime(_ duration: Int, now: Int) {
        // Two workers at once may lose one of two observations, which a moving figure can bear.
        let elapsed = now - state.pointee.connectTimeAt.load(ordering: .relaxed)
        let next = PeakAverage.updated(
            connectTime,
            with: duration,
            after: elapsed
        )
        state.pointee.connectTime.store(next, ordering: .relaxed)
        state.pointee.connectTimeAt.store(now, ordering: .relaxed)
    }
}

/// The servers of all pools.
///
/// A place is a server's for as long as anybody may speak of it: a worker that has not heard of its removal yet, or a
/// connection that is still open.
final class ServerTable: Sendable {
    /// The most servers of a process.
    static let capacity = 4096

    private struct Places {
        var numbers = NumberPool(capacity: ServerTable.capacity)
        /// Places that have ever been taken, each as often as it was.
        var taken = 0
    }

    // Never handed out but as `ServerShare`, whose memory is atomics only.
    private nonisolated(unsafe) let pages: Pages
    private let places = Mutex(Places())

    init() {
        // Zeroed pages are servers that are closed; memory is taken only for those that there are.
        pages = Pages(bytes: Self.capacity * MemoryLayout<ServerShare.State>.stride)
    }

    deinit {
        pages.free()
    }

    /// - Returns: a place for a server, or nil if all are taken.
    func take() -> ServerShare? {
        let place = places.withLock { places -> (id: Int, serial: Int)? in
            guard let number = places.numbers.take() else { return nil }
            places.taken += 1
            return (number, places.taken)
        }
        guard let (id, serial) = place else { return nil }
        let states = pages.base.bindMemory(to: ServerShare.State.self, capacity: Self.capacity)
        let share = ServerShare(id: id, state: states + id)
        share.reset(serial: serial)
        return share
    }

    /// Nobody speaks of the server any more.
    func giveBack(_ share: ServerShare) {
        precondition(share.connections == 0, "server \(share.id) was given back with \(share.connections) connections")
        places.withLock { $0.numbers.giveBack(share.id) }
    }
}
