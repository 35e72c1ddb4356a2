public import Sockets

/// Storage for values with stable addresses, accessed by slot number. Memory is allocated and freed in blocks.
///
/// A slot is identified by its index and by a generation, which changes with every insertion and removal, so that a
/// stale reference is detected. An insertion allocates nothing except for an occasional block. An empty block is
/// returned to the system, except for one spare block.
public struct Slab<Element: ~Copyable>: ~Copyable {
    /// The maximum number of elements.
    public let capacity: Int
    @inlinable public var count: Int { _count }
    @usableFromInline var _count: Int = 0

    @usableFromInline let blocks: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    /// Odd while the slot is occupied. Stored outside the blocks, because it must outlive them.
    @usableFromInline let generations: UnsafeMutablePointer<UInt32>
    /// The next free slot of each free slot; -1 ends the list.
    @usableFromInline let nextFree: UnsafeMutablePointer<Int32>
    @usableFromInline let used: UnsafeMutablePointer<Int32>
    @usableFromInline let side: MappedMemory
    @usableFromInline var firstFree: Int32 = -1
    /// The first slot that has never been used.
    @usableFromInline var untouched = 0
    @usableFromInline var spareBlocks = 0

    @inlinable public static var slotsPerBlock: Int { 128 }
    @inlinable static var spareBlockLimit: Int { 1 }
    @inlinable static var blockBytes: Int { slotsPerBlock * MemoryLayout<Element>.stride }

    /// - Parameter capacity: The maximum number of elements, 1 to 2^31 - 1. Unused capacity costs only address space.
    @inlinable
    public init(capacity: Int) {
        precondition(capacity > 0 && capacity <= Int32.max, "a slab holds 1 to 2^31 - 1 elements")
        self.capacity = capacity
        let blockCount = (capacity + Self.slotsPerBlock - 1) / Self.slotsPerBlock
        // One mapping for the four tables: zeroed, and resident only where touched.
        let words = MemoryLayout<UnsafeMutableRawPointer?>.stride
        side = MappedMemory(bytes: blockCount * (words + 4) + capacity * 8)
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
        precondition(count == 0, "a slab was deallocated with \(count) elements in it")
        var blockCount = (capacity + Self.slotsPerBlock - 1) / Self.slotsPerBlock
        while blockCount > 0 {
            blockCount -= 1
            if let block = blocks[blockCount] { MappedMemory.free(block, bytes: Self.blockBytes) }
        }
        side.free()
    }

    /// Allocates the memory that the next insertion needs.
    ///
    /// - Returns: False if no slot is free, or if the system is out of memory.
    @inlinable
    public mutating func reserve<S: System & ~Copyable>(on system: inout S) -> Bool {
        guard count < capacity else { return false }
        let block = (firstFree >= 0 ? Int(firstFree) : untouched) / Self.slotsPerBlock
        if blocks[block] != nil { return true }
        guard let base = system.allocatePages(Self.blockBytes, alignedTo: 1) else { return false }
        blocks[block] = base
        spareBlocks += 1
        return true
    }

    /// Inserts an element into a free slot and returns the slot. If the memory was not reserved before and the system
    /// refuses it, the program ends with a message.
    ///
    /// - Precondition: A slot is free (`count < capacity`).
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
            blocks[block] = MappedMemory(bytes: Self.blockBytes).base
        } else if used[block] == 0 {
            spareBlocks -= 1
        }
        used[block] += 1
        generations[slot] &+= 1
        _count += 1
        pointer(to: slot).initialize(to: element)
        return slot
    }

    /// Removes and returns the element of a slot, and frees the slot.
    @inlinable
    public mutating func remove(_ slot: Int) -> Element {
        precondition(isTaken(slot), "slot \(slot) is already free")
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
                MappedMemory.free(base, bytes: Self.blockBytes)
                blocks[block] = nil
            }
        }
        return element
    }

    /// Returns a pointer to the element of an occupied slot. The pointer is valid until the element is removed.
    @inlinable
    public func pointer(to slot: Int) -> UnsafeMutablePointer<Element> {
        let block = blocks[slot / Self.slotsPerBlock].unsafelyUnwrapped
        return block.assumingMemoryBound(to: Element.self) + slot % Self.slotsPerBlock
    }

    /// Returns a pointer to the element of a slot, or nil if the slot's generation has changed.
    @inlinable
    public func find(_ slot: Int, generation: UInt32) -> UnsafeMutablePointer<Element>? {
        guard slot < capacity, isTaken(slot), self.generation(of: slot) == generation else { return nil }
        return pointer(to: slot)
    }

    /// Returns the generation of a slot, in 24 bits; it distinguishes the current element from previous ones.
    @inlinable
    public func generation(of slot: Int) -> UInt32 {
        generations[slot] & 0xFF_FFFF
    }

    @inlinable
    public func isTaken(_ slot: Int) -> Bool {
        generations[slot] & 1 == 1
    }

    /// One past the highest slot ever used: the end of an iteration over all slots.
    @inlinable
    public var end: Int { untouched }
}
