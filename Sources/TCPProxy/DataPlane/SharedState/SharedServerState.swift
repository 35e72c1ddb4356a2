import Balancing
import EventLoop
import Synchronization

/// The state of one server that workers share: the number of its connections and whether it can take another one.
///
/// Accessed at connect and close only, not in the data path. The control plane writes whether the server is open and
/// its weight; workers read both when they select a server.
struct SharedServerState: @unchecked Sendable {
    // Sendable: the memory holds only atomics, and its owner outlives all holders (see `SharedMemory`).

    /// Occupies its own cache lines, because the counts of different servers change concurrently.
    struct State: ~Copyable {
        /// Connection slots in use, by connections and by connection attempts.
        let connections = Atomic<Int>(0)
        let limit = Atomic<Int>(0)
        /// 0 means no new connections.
        let weight = Atomic<Int>(0)
        /// Up, not ejected and not draining.
        let isOpen = Atomic<Bool>(false)
        /// Failed connection attempts since the last successful one.
        let consecutiveFailures = Atomic<Int>(0)
        let connectTime = Atomic<Int>(0)
        let connectTimeAt = Atomic<Int>(0)
        let serial = Atomic<Int>(0)
        let padding: (Int, Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0, 0)
    }

    /// The index in the ``SharedServerTable`` and in the counter pages.
    let id: Int
    private let state: UnsafeMutablePointer<State>

    init(id: Int, state: UnsafeMutablePointer<State>) {
        self.id = id
        self.state = state
    }

    var connections: Int { state.pointee.connections.load(ordering: .relaxed) }
    var limit: Int { state.pointee.limit.load(ordering: .relaxed) }
    var weight: Int { state.pointee.weight.load(ordering: .relaxed) }
    var isOpen: Bool { state.pointee.isOpen.load(ordering: .relaxed) }
    var consecutiveFailures: Int { state.pointee.consecutiveFailures.load(ordering: .relaxed) }
    /// A peak-sensitive moving average of the connect time, in nanoseconds; 0 before the first connection.
    var connectTime: Int { state.pointee.connectTime.load(ordering: .relaxed) }

    /// A number that is unique among all servers of the process, including former servers at the same index.
    var serial: Int { state.pointee.serial.load(ordering: .relaxed) }

    // MARK: For the control plane

    func set(isOpen: Bool) { state.pointee.isOpen.store(isOpen, ordering: .relaxed) }
    func set(weight: Int) { state.pointee.weight.store(weight, ordering: .relaxed) }
    func set(limit: Int) { state.pointee.limit.store(limit, ordering: .relaxed) }

    func reset(serial: Int) {
        state.pointee.serial.store(serial, ordering: .relaxed)
        state.pointee.limit.store(.max, ordering: .relaxed)
        state.pointee.weight.store(1, ordering: .relaxed)
        state.pointee.isOpen.store(true, ordering: .relaxed)
        state.pointee.consecutiveFailures.store(0, ordering: .relaxed)
        state.pointee.connectTime.store(0, ordering: .relaxed)
        state.pointee.connectTimeAt.store(0, ordering: .relaxed)
    }

    // MARK: For workers

    /// Reserves a connection slot; returns false if the limit is reached. ``release()`` releases it.
    func reserve() -> Bool {
        state.pointee.connections.increment(to: limit)
    }

    func release() {
        state.pointee.connections.subtract(1, ordering: .sequentiallyConsistent)
    }

    /// - Parameters:
    ///   - duration: time until the attempt timed out, in nanoseconds; nil if it failed for another reason.
    ///   - now: monotonic clock, in nanoseconds.
    func noteFailure(after duration: Int?, now: Int) {
        state.pointee.consecutiveFailures.add(1, ordering: .relaxed)
        if let duration { noteConnectTime(duration, now: now) }
    }

    /// - Parameters:
    ///   - duration: connect time in nanoseconds.
    ///   - now: monotonic clock, in nanoseconds.
    func noteConnected(after duration: Int, now: Int) {
        if consecutiveFailures != 0 { state.pointee.consecutiveFailures.store(0, ordering: .relaxed) }
        noteConnectTime(duration, now: now)
    }

    private func noteConnectTime(_ duration: Int, now: Int) {
        // If two workers update concurrently, one observation may be lost; a moving average tolerates that.
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
