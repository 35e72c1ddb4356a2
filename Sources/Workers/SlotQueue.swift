/// A queue of slots in which each is at most once, and from which any can be taken out: first in, first out.
///
/// Links stand in a table beside the slab, so nothing is allocated when a slot joins.
public struct SlotQueue: ~Copyable {
    private struct Link {
        /// One more than the neighbour's number; 0 is none.
        var next: Int32
        var previous: Int32
        var isQueued: Bool
    }

    private let pages: Pages
    private let links: UnsafeMutablePointer<Link>
    private var head: Int32 = 0
    private var tail: Int32 = 0
    @inlinable public var count: Int { _count }
    @usableFromInline var _count = 0

    /// - Parameter capacity: slots are numbered from 0 to one less.
    public init(capacity: Int) {
        pages = Pages(bytes: capacity * MemoryLayout<Link>.stride)
        links = pages.base.bindMemory(to: Link.self, capacity: capacity)
    }

    deinit {
        pages.free()
    }

    @inlinable public var isEmpty: Bool { _count == 0 }

    /// Puts a slot at the end, unless it is in the queue already.
    public mutating func append(_ slot: Int) {
        guard !links[slot].isQueued else { return }
        links[slot] = Link(next: 0, previous: tail, isQueued: true)
        if tail == 0 { head = Int32(slot) + 1 } else { links[Int(tail) - 1].next = Int32(slot) + 1 }
        tail = Int32(slot) + 1
        _count += 1
    }

    /// Takes a slot out, wherever it stands; nothing happens if it is not in the queue.
    ///
    /// - Returns: whether it was in the queue.
    @discardableResult
    public mutating func remove(_ slot: Int) -> Bool {
        let link = links[slot]
        guard link.isQueued else { return false }
        if link.previous == 0 { head = link.next } else { links[Int(link.previous) - 1].next = link.next }
        if link.next == 0 { tail = link.previous } else { links[Int(link.next) - 1].previous = link.previous }
        links[slot].isQueued = false
        _count -= 1
        return true
    }

    /// The slot that has waited longest.
    public var first: Int? { head == 0 ? nil : Int(head) - 1 }

    /// The slot that joined next after one that is in the queue.
    public func next(after slot: Int) -> Int? { links[slot].next == 0 ? nil : Int(links[slot].next) - 1 }

    /// Takes the slot that has waited longest.
    public mutating func popFirst() -> Int? {
        guard let slot = first else { return nil }
        remove(slot)
        return slot
    }
}
