import EventLoop
public import Sockets

/// A pool of buffers for bytes that a sink has not accepted. Only a stalled direction holds a buffer.
///
/// Chunks are allocated in slabs of 63, so that the number of memory mappings stays far below the system's limit
/// (vm.max_map_count) with any number of stalled directions. A limited number of unused chunks is kept for reuse; the
/// memory of the others is returned to the system immediately, and that of a slab when all of its chunks are unused.
public struct ChunkPool: ~Copyable {
    /// The size of a chunk in bytes.
    public let chunkSize: Int
    /// The maximum number of unused chunks that are kept.
    public let spareLimit: Int
    private let spares: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// The number of unused chunks.
    public private(set) var spareCount = 0
    /// The number of chunks in use.
    public private(set) var taken = 0
    /// The number of slabs, each of which is one mapping.
    public private(set) var slabs = 0
    /// The number of times that the system refused memory since the last call of ``takeRefusals()``.
    @inlinable public var refusals: Int { _refusals }
    @usableFromInline var _refusals = 0
    /// The distance between two chunks: whole pages.
    private let stride: Int
    /// The size and the alignment of a slab: a power of two.
    @usableFromInline let slabBytes: Int
    /// The first slab with free chunks.
    private var first: UnsafeMutablePointer<Slab>?

    /// The beginning of a slab; the chunks follow on the next page.
    private struct Slab {
        /// A bit for each chunk that is neither in use nor kept.
        var free: UInt64
        /// The neighbors in the list of slabs with free chunks.
        var next: UnsafeMutablePointer<Slab>?
        var previous: UnsafeMutablePointer<Slab>?
    }

    /// The number of chunks of a slab: with the page of the slab itself, they fill a power of two.
    public static var chunksPerSlab: Int { 63 }
    private static var allFree: UInt64 { (1 << UInt64(chunksPerSlab)) - 1 }
    private static var page: Int { 4096 }

    public init(chunkSize: Int, spareLimit: Int = 16) {
        self.chunkSize = chunkSize
        self.spareLimit = spareLimit
        spares = .allocate(capacity: spareLimit)
        stride = (chunkSize + Self.page - 1) / Self.page * Self.page
        var bytes = 64 * Self.page
        while bytes < Self.page + Self.chunksPerSlab * stride { bytes *= 2 }
        slabBytes = bytes
    }

    deinit {
        precondition(taken == 0, "\(taken) chunks were never returned")
        var first = first
        var index = spareCount
        while index > 0 {
            index -= 1
            let (slab, bit) = Self.position(of: spares[index], slabBytes, stride)
            if slab.pointee.free == 0 {
                slab.pointee.next = first
                first = slab
            }
            slab.pointee.free |= bit
        }
        while let slab = first {
            first = slab.pointee.next
            MappedMemory.free(slab, bytes: slabBytes)
        }
        spares.deallocate()
    }

    /// Takes a chunk; returns nil if the system is out of memory.
    @inlinable
    public mutating func take<S: System & ~Copyable>(on system: inout S) -> UnsafeMutableRawPointer? {
        if let chunk = takeFree() { return chunk }
        guard let base = system.allocatePages(slabBytes, alignedTo: slabBytes) else {
            _refusals += 1
            return nil
        }
        addSlab(base)
        return takeFree()
    }

    /// Takes a chunk that is allocated already; returns nil if there is none.
    @usableFromInline
    mutating func takeFree() -> UnsafeMutableRawPointer? {
        if spareCount > 0 {
            spareCount -= 1
            taken += 1
            return spares[spareCount]
        }
        guard let slab = first else { return nil }
        let index = slab.pointee.free.trailingZeroBitCount
        slab.pointee.free &= slab.pointee.free - 1
        if slab.pointee.free == 0 { unlink(slab) }
        taken += 1
        return UnsafeMutableRawPointer(slab) + Self.page + index * stride
    }

    /// Returns a chunk to the pool.
    public mutating func release(_ chunk: UnsafeMutableRawPointer) {
        taken -= 1
        if spareCount < spareLimit {
            spares[spareCount] = chunk
            spareCount += 1
            return
        }
        let (slab, bit) = Self.position(of: chunk, slabBytes, stride)
        if slab.pointee.free == 0 { link(slab) }
        slab.pointee.free |= bit
        guard slab.pointee.free == Self.allFree else { return MappedMemory.discard(chunk, bytes: stride) }
        unlink(slab)
        slabs -= 1
        MappedMemory.free(slab, bytes: slabBytes)
    }

    /// Returns ``refusals`` and resets it.
    public mutating func takeRefusals() -> Int {
        defer { _refusals = 0 }
        return _refusals
    }

    /// Adds a slab at newly allocated pages.
    @usableFromInline
    mutating func addSlab(_ base: UnsafeMutableRawPointer) {
        let slab = base.bindMemory(to: Slab.self, capacity: 1)
        slab.initialize(to: Slab(free: Self.allFree, next: nil, previous: nil))
        link(slab)
        slabs += 1
    }

    private mutating func link(_ slab: UnsafeMutablePointer<Slab>) {
        slab.pointee.next = first
        slab.pointee.previous = nil
        first?.pointee.previous = slab
        first = slab
    }

    private mutating func unlink(_ slab: UnsafeMutablePointer<Slab>) {
        if let previous = slab.pointee.previous {
            previous.pointee.next = slab.pointee.next
        } else {
            first = slab.pointee.next
        }
        slab.pointee.next?.pointee.previous = slab.pointee.previous
        slab.pointee.next = nil
        slab.pointee.previous = nil
    }

    /// Returns the slab of a chunk, which is at the multiple of its size, and the chunk's bit.
    private static func position(
        of chunk: UnsafeMutableRawPointer,
        _ slabBytes: Int,
        _ stride: Int
    ) -> (slab: UnsafeMutablePointer<Slab>, bit: UInt64) {
        let offset = Int(bitPattern: chunk) & (slabBytes - 1)
        let slab = (chunk - offset).assumingMemoryBound(to: Slab.self)
        return (slab, 1 << UInt64((offset - page) / stride))
    }
}
