import EventLoop
import Synchronization

/// Ring buffer of events from one worker to one reader; neither ever blocks.
///
/// Events must be trivial types: a slot is overwritten without deinitialization.
struct EventRing<Event: Sendable>: @unchecked Sendable {
    // Sendable: the two positions are atomics, and they determine whether a slot belongs to the writer or to the
    // reader. The owner (`SharedMemory`) outlives every user of the ring.

    /// Number of events in a full ring.
    static var capacity: Int { 8192 }

    private let pages: MappedMemory
    private let events: UnsafeMutablePointer<Event>
    private let position: UnsafeMutablePointer<EventRingPosition>

    /// Reserves address space only; memory is used as events are written.
    init() {
        pages = MappedMemory(bytes: Self.capacity * MemoryLayout<Event>.stride)
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

    /// Whether the worker should keep back events that can wait, to leave room for events that cannot.
    var isHalfFull: Bool { count > Self.capacity / 2 }

    /// Writes an event. Only the worker may call this.
    ///
    /// - Returns: false if the ring is full; the event is dropped.
    func write(_ event: Event) -> Bool {
        let written = position.pointee.written.load(ordering: .relaxed)
        guard written - position.pointee.read.load(ordering: .acquiring) < Self.capacity else { return false }
        (events + written % Self.capacity).initialize(to: event)
        position.pointee.written.store(written + 1, ordering: .releasing)
        return true
    }

    /// Takes up to `limit` events in order. Only the reader may call this.
    func read(into batch: inout [Event], limit: Int) {
        let read = position.pointee.read.load(ordering: .relaxed)
        let available = position.pointee.written.load(ordering: .acquiring) - read
        let count = min(available, limit)
        for index in read..<(read + count) { batch.append(events[index % Self.capacity]) }
        position.pointee.read.store(read + count, ordering: .releasing)
    }
}

/// Positions of the writer and the reader.
private struct EventRingPosition: ~Copyable {
    let written = Atomic<Int>(0)
    /// Places the two positions on different cache lines.
    let padding: (Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0)
    let read = Atomic<Int>(0)
}
