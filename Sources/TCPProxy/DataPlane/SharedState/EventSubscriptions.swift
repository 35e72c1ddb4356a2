import Synchronization

/// Number of subscribers to the events of a proxy. Workers write no events while there is none.
struct EventSubscriptions: @unchecked Sendable {
    // Sendable: the memory holds only an atomic, and its owner (`SharedMemory`) outlives every user.
    private let count: UnsafeMutablePointer<Atomic<Int>>

    init() {
        count = .allocate(capacity: 1)
        count.initialize(to: Atomic(0))
    }

    func free() {
        count.deinitialize(count: 1)
        count.deallocate()
    }

    /// Whether events have a subscriber.
    var hasSubscribers: Bool { count.pointee.load(ordering: .relaxed) > 0 }

    /// Adds a subscriber and returns the number of subscribers, including this one.
    func subscribe() -> Int { count.pointee.add(1, ordering: .acquiringAndReleasing).newValue }

    /// Removes a subscriber.
    func unsubscribe() { count.pointee.subtract(1, ordering: .acquiringAndReleasing) }
}
