/// A FIFO queue of slots that contains each slot at most once and allows the removal of any slot.
///
/// The links are stored in a table indexed by slot, so that appending a slot allocates nothing. Queues of which each
/// slot is in at most one can share a table.
public struct IndexedFIFO: ~Copyable {
    fileprivate struct Link {
        /// The neighbor's slot number plus 1; 0 is none.
        var next: Int32
        var previous: Int32
        var isQueued: Bool
    }

    /// A table of links that several queues share; it must outlive them.
    public struct Links: ~Copyable {
        private let pages: MappedMemory
        fileprivate let links: UnsafeMutablePointer<Link>

        /// - Parameter capacity: The number of slots; they are numbered from 0.
        public init(capacity: Int) {
            pages = MappedMemory(bytes: capacity * MemoryLayout<Link>.stride)
            links = pages.base.bindMemory(to: Link.self, capacity: capacity)
        }

        deinit {
            pages.free()
        }
    }

    /// The table of this queue alone; nil if it shares one.
    private let pages: MappedMemory?
    private let links: UnsafeMutablePointer<Link>
    private var head: Int32 = 0
    private var tail: Int32 = 0
    @inlinable public var count: Int { _count }
    @usableFromInline var _count = 0

    /// - Parameter capacity: The number of slots; they are numbered from 0.
    public init(capacity: Int) {
        let pages = MappedMemory(bytes: capacity * MemoryLayout<Link>.stride)
        self.pages = pages
        links = pages.base.bindMemory(to: Link.self, capacity: capacity)
    }

    /// Creates a queue that uses a shared table.
    ///
    /// - Precondition: A slot is in at most one of the queues that share the table.
    public init(sharing table: borrowing Links) {
        pages = nil
        links = table.links
    }

    deinit {
        pages?.free()
    }

    @inlinable public var isEmpty: Bool { _count == 0 }

    /// Appends a slot, unless it is already queued.
    public mutating func append(_ slot: Int) {
        guard !links[slot].isQueued else { return }
        links[slot] = Link(next: 0, previous: tail, isQueued: true)
        if tail == 0 { head = Int32(slot) + 1 } else { links[Int(tail) - 1].next = Int32(slot) + 1 }
        tail = Int32(slot) + 1
        _count += 1
    }

    /// Removes a slot from any position; does nothing if the slot is not queued.
    ///
    /// - Returns: Whether the slot was queued.
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

    /// The slot that has been queued the longest.
    public var first: Int? { head == 0 ? nil : Int(head) - 1 }

    /// Returns the slot that follows a queued slot.
    public func next(after slot: Int) -> Int? { links[slot].next == 0 ? nil : Int(links[slot].next) - 1 }

    /// Removes and returns the slot that has been queued the longest.
    public mutating func popFirst() -> Int? {
        guard let slot = first else { return nil }
        remove(slot)
        return slot
    }
}
