import Synchronization
import Workers

/// Events on their way from one worker to their reader: a ring for one writer and one reader that neither ever waits for.
///
/// Events are plain data: nothing is done when a place gets another one.
struct EventRing<Event: Sendable>: @unchecked Sendable {
    // Sendable: the two positions are atomics; a place in the ring belongs to the writer or to the reader, and the
    // positions say to whom. The owner outlives all who hold the ring (see `SharedMemory`).

    /// Events it can hold.
    static var capacity: Int { 8192 }

    private let pages: Pages
    private let events: UnsafeMutablePointer<Event>
    private let position: UnsafeMutablePointer<EventRingPosition>

    /// Takes address space only, until events are written.
    init() {
        pages = Pages(bytes: Self.capacity * MemoryLayout<Event>.stride)
        events = pages.base.bindMemory(to: Event.self, capacity: Self.capacity)
        position = .allocate(capacity: 1)
        position.initialize(to: EventRingPosition())
    }

    func free() {
        pages.free()
        position.deinitialize(count: 1)
        position.deallocate()
    }

    var count: Int {
        position.pointee.written.load(ordering: .acquiring) - position.pointee.read.load(ordering: .acquiring)
    }

    /// For the worker: what can wait should, so that the rest of the ring is there for what cannot.
    var isHalfFull: Bool { count > Self.capacity / 2 }

    /// For the worker.
    ///
    /// - Returns: false if the ring is full, and the event is lost.
    func write(_ event: Event) -> Bool {
        let written = position.pointee.written.load(ordering: .relaxed)
        guard written - position.pointee.read.load(ordering: .acquiring) < Self.capacity else { return false }
        (events + written % Self.capacity).initialize(to: event)
        position.pointee.written.store(written + 1, ordering: .releasing)
        return true
    }

    /// For the reader: takes up to `limit` events, in order.
    func read(into batch: inout [Event], limit: Int) {
        let read = position.pointee.read.load(ordering: .relaxed)
        let available = position.pointee.written.load(ordering: .acquiring) - read
        let count = min(available, limit)
        for index in read..<(read + count) { batch.append(events[index % Self.capacity]) }
        position.pointee.read.store(read + count, ordering: .releasing)
    }
}

/// How far the writer and the reader of a ring have come.
private struct EventRingPosition: ~Copyable {
    let written = Atomic<Int>(0)
    /// On a cache line of its own.
    let padding: (Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0)
    let read = Atomic<Int>(0)
}
