import Sockets
import Synchronization
import Workers

/// What all workers must agree on about those who come to one listener: how many there are, and how fast they come, in all
/// and by client.
///
/// Decided at accept and close, never on the way of a byte.
struct ListenerLimits: @unchecked Sendable {
    // Sendable: the memory is atomics only, or has locks of its own, and its owner outlives all who hold it.
    private struct State: ~Copyable {
        let connections = Atomic<Int>(0)
        /// On a cache line of its own.
        let padding: (Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0)
    }

    private let state: UnsafeMutablePointer<State>
    private let bucket = SharedTokenBucket()
    let clients = ClientLimits(ipv6PrefixLength: Entrance.clientPrefixLength)

    fileprivate init() {
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    fileprivate func free() {
        state.deinitialize(count: 1)
        state.deallocate()
        bucket.free()
        clients.free()
    }

    var connections: Int { state.pointee.connections.load(ordering: .relaxed) }

    /// Takes a place, if there are fewer than so many; ``release()`` gives it back.
    func reserve(atMost limit: Int) -> Bool {
        if state.pointee.connections.add(1, ordering: .relaxed).newValue <= limit { return true }
        release()
        return false
    }

    func release() {
        state.pointee.connections.subtract(1, ordering: .relaxed)
    }

    /// Whether one more connection comes slowly enough.
    func take(_ rate: TokenRate, at now: Instant) -> Bool { bucket.take(rate, at: now) }
}

/// The limits of all listeners that have any, by the listeners' numbers.
struct ListenerLimitsTable: @unchecked Sendable {
    // Sendable: the memory is atomics only, and its owner outlives all who hold it (see `SharedMemory`).
    private typealias Place = Atomic<UnsafeMutablePointer<ListenerLimits>?>

    private let pages: Pages
    private let places: UnsafeMutablePointer<Place>

    init() {
        pages = Pages(bytes: Listeners.capacity * MemoryLayout<Place>.stride)
        places = pages.base.bindMemory(to: Place.self, capacity: Listeners.capacity)
        for number in 0..<Listeners.capacity { (places + number).initialize(to: Place(nil)) }
    }

    func free() {
        for number in 0..<Listeners.capacity {
            guard let limits = places[number].load(ordering: .acquiring) else { continue }
            limits.pointee.free()
            limits.deallocate()
        }
        places.deinitialize(count: Listeners.capacity)
        pages.free()
    }

    /// A listener's, made when they are first asked for: most listeners have none.
    subscript(listener: Int) -> ListenerLimits {
        if let limits = places[listener].load(ordering: .acquiring) { return limits.pointee }
        let made = UnsafeMutablePointer<ListenerLimits>.allocate(capacity: 1)
        made.initialize(to: ListenerLimits())
        let (exchanged, present) = places[listener].compareExchange(
            expected: nil,
            desired: made,
            ordering: .acquiringAndReleasing
        )
        guard !exchanged, let present else { return made.pointee }
        // Another worker was faster.
        made.pointee.free()
        made.deallocate()
        return present.pointee
    }
}
