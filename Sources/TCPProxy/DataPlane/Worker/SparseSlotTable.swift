import EventLoop
import Sockets

/// A sparse table of per-connection data, by slot, separate from the slab; it uses no memory until some is
/// reserved. Elements are plain data and are never deinitialized.
struct SparseSlotTable<Element>: ~Copyable {
    private let capacity: Int
    /// nil until memory is reserved. Only touched pages are resident.
    private var pages: UnsafeMutablePointer<Element>?

    /// - Parameter capacity: the number of slots.
    init(capacity: Int) {
        self.capacity = capacity
    }

    deinit {
        if let pages { MappedMemory.free(pages, bytes: bytes) }
    }

    private var bytes: Int { capacity * MemoryLayout<Element>.stride }

    /// Allocates the memory of the table, unless it has been allocated.
    ///
    /// - Returns: false if the system is out of memory.
    mutating func reserve<S: System & ~Copyable>(on system: inout S) -> Bool {
        if pages != nil { return true }
        pages = system.allocatePages(bytes, alignedTo: 1)?.bindMemory(to: Element.self, capacity: capacity)
        return pages != nil
    }

    /// - Precondition: memory has been reserved.
    func set(_ element: Element, at slot: Int) {
        pointer(to: slot).initialize(to: element)
    }

    /// - Precondition: an element has been set at this slot.
    func pointer(to slot: Int) -> UnsafeMutablePointer<Element> {
        guard let pages else { preconditionFailure("connection \(slot) has no entry in this table") }
        return pages + slot
    }
}
