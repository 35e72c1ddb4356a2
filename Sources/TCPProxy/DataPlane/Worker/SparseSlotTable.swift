import EventLoop

/// A sparse table of per-connection data, by slot, separate from the slab; it uses no memory until the first element is
/// set. Elements are plain data and are never deinitialized.
struct SparseSlotTable<Element>: ~Copyable {
    private let capacity: Int
    /// nil until the first element is set. Only touched pages are resident.
    private var pages: MappedMemory?

    /// - Parameter capacity: the number of slots.
    init(capacity: Int) {
        self.capacity = capacity
    }

    deinit {
        pages?.free()
    }

    mutating func set(_ element: Element, at slot: Int) {
        if pages == nil { pages = MappedMemory(bytes: capacity * MemoryLayout<Element>.stride) }
        pointer(to: slot).initialize(to: element)
    }

    /// - Precondition: an element has been set at this slot.
    func pointer(to slot: Int) -> UnsafeMutablePointer<Element> {
        guard let pages else { preconditionFailure("connection \(slot) has no entry in this table") }
        return pages.base.assumingMemoryBound(to: Element.self) + slot
    }
}
