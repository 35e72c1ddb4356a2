import EventLoop
import Sockets
import Synchronization

/// The limits of one listener that workers share: its connections and its rate of new connections, in total and by
/// client.
///
/// Accessed at accept and close only, not in the data path.
struct ListenerLimits: @unchecked Sendable {
    // Sendable: the memory holds only atomics or has its own locks, and its owner outlives all holders.
    private struct State: ~Copyable {
        let connections = Atomic<Int>(0)
        /// Puts the counter on its own cache line.
        let padding: (Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0)
    }

    private let state: UnsafeMutablePointer<State>
    private let bucket = SharedTokenBucket()
    private let handshakes = SharedTokenBucket()
    let clients: PerClientLimiter

    fileprivate static var clientBytes: Int { PerClientLimiter.bytes(capacity: PerClientLimiter.defaultCapacity) }

    /// - Parameter pages: zeroed memory of the clients, ``clientBytes``.
    fileprivate init(in pages: MappedMemory) {
        clients = PerClientLimiter(in: pages, ipv6PrefixLength: AccessPolicy.clientPrefixLength)
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    fileprivate func free() {
        state.deinitialize(count: 1)
        state.deallocate()
        bucket.free()
        handshakes.free()
        clients.free()
    }

    var connections: Int { state.pointee.connections.load(ordering: .relaxed) }

    /// Reserves a connection if there are fewer than `limit`; ``release()`` releases it.
    func reserve(atMost limit: Int) -> Bool {
        if state.pointee.connections.add(1, ordering: .relaxed).newValue <= limit { return true }
        release()
        return false
    }

    func release() {
        state.pointee.connections.subtract(1, ordering: .relaxed)
    }

    /// Takes a token for a new connection; returns false if the rate limit is reached.
    func take(_ rate: TokenRate, at now: Instant) -> Bool { bucket.take(rate, at: now) }

    /// Takes a token for a TLS handshake; returns false if the rate limit is reached.
    func takeHandshake(_ rate: TokenRate, at now: Instant) -> Bool { handshakes.take(rate, at: now) }
}

/// The limits of all listeners that have any, by listener number.
struct ListenerLimitsTable: @unchecked Sendable {
    // Sendable: the memory holds only atomics, and its owner outlives all holders (see `SharedMemory`).
    private typealias Place = Atomic<UnsafeMutablePointer<ListenerLimits>?>

    /// Maximum number of names of shared limits, including those that are no longer in use.
    static var maxNames: Int { 1024 }
    /// The numbers of listeners, and after them those of names.
    private static var capacity: Int { Listeners.capacity + maxNames }

    private let pages: MappedMemory
    private let places: UnsafeMutablePointer<Place>

    init() {
        pages = MappedMemory(bytes: Self.capacity * MemoryLayout<Place>.stride)
        places = pages.base.bindMemory(to: Place.self, capacity: Self.capacity)
        for number in 0..<Self.capacity { (places + number).initialize(to: Place(nil)) }
    }

    func free() {
        for number in 0..<Self.capacity {
            guard let limits = places[number].load(ordering: .acquiring) else { continue }
            limits.pointee.free()
            limits.deallocate()
        }
        places.deinitialize(count: Self.capacity)
        pages.free()
    }

    /// Allocates the limits of a listener, unless they have been allocated: most listeners have none.
    ///
    /// - Returns: false if the system is out of memory.
    @inline(never)
    func reserve<S: System & ~Copyable>(_ listener: Int, on system: inout S) -> Bool {
        if places[listener].load(ordering: .acquiring) != nil { return true }
        guard let base = system.allocatePages(ListenerLimits.clientBytes, alignedTo: 1) else { return false }
        _ = add(MappedMemory(base: base, bytes: ListenerLimits.clientBytes), listener)
        return true
    }

    /// Returns the limits of a listener, for whose connections they have been reserved.
    subscript(listener: Int) -> ListenerLimits {
        if let limits = places[listener].load(ordering: .acquiring) { return limits.pointee }
        return add(MappedMemory(bytes: ListenerLimits.clientBytes), listener)
    }

    private func add(_ pages: MappedMemory, _ listener: Int) -> ListenerLimits {
        let made = UnsafeMutablePointer<ListenerLimits>.allocate(capacity: 1)
        made.initialize(to: ListenerLimits(in: pages))
        let (exchanged, present) = places[listener].compareExchange(
            expected: nil,
            desired: made,
            ordering: .acquiringAndReleasing
        )
        guard !exchanged, let present else { return made.pointee }
        // Another worker has allocated them first.
        made.pointee.free()
        made.deallocate()
        return present.pointee
    }
}
