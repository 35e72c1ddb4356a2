import CLinux

/// Places for values that stay where they are, found again by number, with memory that comes and goes in blocks.
///
/// A slot is named by its index and a generation that changes whenever the slot changes hands, so that a stale name is
/// told from a good one. Nothing is allocated for an insertion but, now and then, a block; a block that has become
/// empty goes back to the system, all but one.
public struct Slab<Element: ~Copyable>: ~Copyable {
    /// The most elements it can hold.
    public let capacity: Int
    @inlinable public var count: Int { _count }
    @usableFromInline var _count: Int = 0

    @usableFromInline let blocks: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    /// Odd while the slot is taken. Kept apart from the blocks, so that it outlives them.
    @usableFromInline let generations: UnsafeMutablePointer<UInt32>
    /// For a free slot, the next free one; -1 ends the list.
    @usableFromInline let nextFree: UnsafeMutablePointer<Int32>
    @usableFromInline let used: UnsafeMutablePointer<Int32>
    @usableFromInline let side: Pages
    @usableFromInline var firstFree: Int32 = -1
    /// Slots from here on have never been used.
    @usableFromInline var untouched = 0
    @usableFromInline var spareBlocks = 0

    @inlinable public static var slotsPerBlock: Int { 128 }
    @inlinable static var spareBlockLimit: Int { 1 }
    @inlinable static var blockBytes: Int { slotsPerBlock * MemoryLayout<Element>.stride }

    /// - Parameter capacity: the most elements, 1 to 2^31 - 1. Costs address space only until they come.
    @inlinable
    public init(capacity: Int) {
        precondition(capacity > 0 && capacity <= Int32.max, "a slab holds 1 to 2^31 - 1 elements")
        self.capacity = capacity
        let blockCount = (capacity + Self.slotsPerBlock - 1) / Self.slotsPerBlock
        // One mapping for the four side tables: zeroed, and resident only as far as it is touched.
        let words = MemoryLayout<UnsafeMutableRawPointer?>.stride
        side = Pages(bytes: blockCount * (words + 4) + capacity * 8)
        blocks = side.base.bindMemory(to: UnsafeMutableRawPointer?.self, capacity: blockCount)
        var offset = blockCount * words
        generations = (side.base + offset).bindMemory(to: UInt32.self, capacity: capacity)
        offset += capacity * 4
        nextFree = (side.base + offset).bindMemory(to: Int32.self, capacity: capacity)
        offset += capacity * 4
        used = (side.base + offset).bindMemory(to: Int32.self, capacity: blockCount)
    }

    @inlinable
    deinit {
        precondition(count == 0, "a slab went away with \(count) elements in it")
        var blockCount = (capacity + Self.slotsPerBlock - 1) / Self.slotsPerBlock
        while blockCount > 0 {
            blockCount -= 1
            if let block = blocks[blockCount] { Pages.free(block, bytes: Self.blockBytes) }
        }
        side.free()
    }

    /// Puts an element in a free slot.
    ///
    /// - Precondition: there is one (`count < capacity`).
    @inlinable
    public mutating func insert(_ element: consuming Element) -> Int {
        precondition(count < capacity, "the slab is full: \(capacity) elements")
        let slot: Int
        if firstFree >= 0 {
            slot = Int(firstFree)
            firstFree = nextFree[slot]
        } else {
            slot = untouched
            untouched += 1
        }
        let block = slot / Self.slotsPerBlock
        if blocks[block] == nil {
            blocks[block] = Pages(bytes: Self.blockBytes).base
        } else if used[block] == 0 {
            spareBlocks -= 1
        }
        used[block] += 1
        generations[slot] &+= 1
        _count += 1
        pointer(to: slot).initialize(to: element)
        return slot
    }

    /// Takes an element out of its slot, which is free from then on.
    @inlinable
    public mutating func remove(_ slot: Int) -> Element {
        precondition(isTaken(slot), "slot \(slot) is free already")
        let element = pointer(to: slot).move()
        generations[slot] &+= 1
        _count -= 1
        nextFree[slot] = firstFree
        firstFree = Int32(slot)
        let block = slot / Self.slotsPerBlock
        used[block] -= 1
        if used[block] == 0 {
            if spareBlocks < Self.spareBlockLimit {
                spareBlocks += 1
            } else if let base = blocks[block] {
                Pages.free(base, bytes: Self.blockBytes)
                blocks[block] = nil
            }
        }
        return element
    }

    /// The element in a slot that is taken. The pointer is good until the element is removed.
    @inlinable
    public func pointer(to slot: Int) -> UnsafeMutablePointer<Element> {
        let block = blocks[slot / Self.slotsPerBlock].unsafelyUnwrapped
        return block.assumingMemoryBound(to: Element.self) + slot % Self.slotsPerBlock
    }

    /// The element of a name, or nil if the slot has changed hands since.
    @inlinable
    public func find(_ slot: Int, generation: UInt32) -> UnsafeMutablePointer<Element>? {
        guard slot < capacity, isTaken(slot), self.generation(of: slot) == generation else { return nil }
        return pointer(to: slot)
    }

    /// The 24 bits by which a slot's present holder is told from those before it.
    @inlinable
    public func generation(of slot: Int) -> UInt32 {
        generations[slot] & 0xFF_FFFF
    }

    @inlinable
    public func isTaken(_ slot: Int) -> Bool {
        generations[slot] & 1 == 1
    }

    /// One past the highest slot that was ever taken: where a walk over all slots ends.
    @inlinable
    public var end: Int { untouched }
}

/// Whole pages straight from the system, so that freeing them gives them back for certain.
public struct Pages {
    public let base: UnsafeMutableRawPointer
    public let bytes: Int

    /// Zeroed. Traps where the system has no memory left, as every allocation in Swift does.
    public init(bytes: Int) {
        guard let base = linux_pages(bytes) else { preconditionFailure("out of memory: \(bytes) bytes") }
        self.base = base
        self.bytes = bytes
    }

    public func free() {
        Self.free(base, bytes: bytes)
    }

    public static func free(_ base: UnsafeMutableRawPointer, bytes: Int) {
        linux_pages_free(base, bytes)
    }
}
