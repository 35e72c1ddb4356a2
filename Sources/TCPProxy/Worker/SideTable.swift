import Workers

/// What only some of a worker's connections have, by their slots: a cold table beside the slab, which costs nothing until
/// the first of them comes. Elements are plain data: nothing is done about one that is no longer needed.
struct SideTable<Element>: ~Copyable {
    private let capacity: Int
    /// Nil until somebody has something. Resident only as far as it is touched.
    private var pages: Pages?

    /// - Parameter capacity: connections are numbered from 0 to one less.
    init(capacity: Int) {
        self.capacity = capacity
    }

    deinit {
        pages?.free()
    }

    mutating func set(_ element: Element, at slot: Int) {
        if pages == nil { pages = Pages(bytes: capacity * MemoryLayout<Element>.stride) }
        pointer(to: slot).initialize(to: element)
    }

    /// - Precondition: something has been set there.
    func pointer(to slot: Int) -> UnsafeMutablePointer<Element> {
        guard let pages else { preconditionFailure("connection \(slot) has nothing in this table") }
        return pages.base.assumingMemoryBound(to: Element.self) + slot
    }
}
