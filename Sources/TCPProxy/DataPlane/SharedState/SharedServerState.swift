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
        let latency = Atomic<Int>(0)
        let latencyAt = Atomic<Int>(0)
        let serial = Atomic<Int>(0)
        /// Connections that have released their slot because the server has finished, but still refer to the server.
        let lingering = Atomic<Int>(0)
        /// Whether a slot has ever been reserved. Without that, no worker has counted anything for the server.
        let isUsed = Atomic<Bool>(false)
        /// Connection attempts that succeeded, and that failed through the server's fault.
        let connected = Atomic<Int>(0)
        let failed = Atomic<Int>(0)
        /// The cause of the last failed TLS handshake, for `TLSFailure`; 0 if there was none.
        let tlsFailure = Atomic<Int>(0)
        let padding: (Int, Int, Int) = (0, 0, 0)
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
    var isUsed: Bool { state.pointee.isUsed.load(ordering: .relaxed) }
    var connected: Int { state.pointee.connected.load(ordering: .relaxed) }
    var failed: Int { state.pointee.failed.load(ordering: .relaxed) }
    var consecutiveFailures: Int { state.pointee.consecutiveFailures.load(ordering: .relaxed) }
    /// A peak-sensitive moving average of the connect time, or of the time to the first byte of the server if the pool
    /// measures that, in nanoseconds; 0 before the first measurement.
    var latency: Int { state.pointee.latency.load(ordering: .relaxed) }

    /// Monotonic time of the last measurement of ``latency``, in nanoseconds.
    var latencyAt: Int { state.pointee.latencyAt.load(ordering: .relaxed) }

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
        state.pointee.isUsed.store(false, ordering: .relaxed)
        state.pointee.connected.store(0, ordering: .relaxed)
        state.pointee.failed.store(0, ordering: .relaxed)
        state.pointee.consecutiveFailures.store(0, ordering: .relaxed)
        state.pointee.latency.store(0, ordering: .relaxed)
        state.pointee.latencyAt.store(0, ordering: .relaxed)
        state.pointee.tlsFailure.store(0, ordering: .relaxed)
    }

    // MARK: For workers

    func noteTLSFailure(_ failure: Int64) { state.pointee.tlsFailure.store(Int(failure), ordering: .relaxed) }

    /// The cause of the last failed TLS handshake; 0 if there was none.
    var tlsFailure: Int { state.pointee.tlsFailure.load(ordering: .relaxed) }

    /// Reserves a connection slot; returns false if the limit is reached. ``release()`` releases it.
    func reserve() -> Bool {
        guard state.pointee.connections.increment(to: limit) else { return false }
        if !isUsed { state.pointee.isUsed.store(true, ordering: .relaxed) }
        return true
    }

    func release() {
        state.pointee.connections.subtract(1, ordering: .sequentiallyConsistent)
    }

    /// Releases the connection slot of a connection that still refers to this server; ``forget()`` follows at its end.
    func releaseEarly() {
        state.pointee.lingering.add(1, ordering: .sequentiallyConsistent)
        release()
    }

    /// Ends the reference of a connection after ``releaseEarly()``.
    func forget() {
        state.pointee.lingering.subtract(1, ordering: .sequentiallyConsistent)
    }

    /// Whether a connection refers to this server, with or without a slot.
    var isReferenced: Bool {
        // In this order: a slot that is released early is counted as lingering first.
        connections > 0 || state.pointee.lingering.load(ordering: .sequentiallyConsistent) > 0
    }

    /// - Parameters:
    ///   - duration: time until the attempt timed out, in nanoseconds; nil if it failed for another reason.
    ///   - now: monotonic clock, in nanoseconds.
    func noteFailure(after duration: Int?, now: Int) {
        state.pointee.failed.add(1, ordering: .relaxed)
        state.pointee.consecutiveFailures.add(1, ordering: .relaxed)
        if let duration {
            noteLatency(duration, now: now)
        } else {
            noteMissingLatency(now: now)
        }
    }

    func noteConnected() {
        state.pointee.connected.add(1, ordering: .relaxed)
        if consecutiveFailures != 0 { state.pointee.consecutiveFailures.store(0, ordering: .relaxed) }
    }

    /// Records that a connection ended before its latency could be measured. A server without any measurement would
    /// otherwise stay the most attractive one, although it serves no client.
    func noteMissingLatency(now: Int) {
        if latency == 0 { noteLatency(Fastest.unknownLatency, now: now) }
    }

    /// - Parameters:
    ///   - duration: connect time, or time to the first byte, in nanoseconds.
    ///   - now: monotonic clock, in nanoseconds.
    func noteLatency(_ duration: Int, now: Int) {
        // If two workers update concurrently, one observation may be lost; a moving average tolerates that.
        let elapsed = now - latencyAt
        let next = PeakAverage.updated(
            latency,
            with: duration,
            after: elapsed
        )
        state.pointee.latency.store(next, ordering: .relaxed)
        state.pointee.latencyAt.store(now, ordering: .relaxed)
    }
}
