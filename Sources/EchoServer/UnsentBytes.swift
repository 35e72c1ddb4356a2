/// The bytes of one connection that its client has not accepted yet. Holds memory only while it is not empty.
struct UnsentBytes: ~Copyable {
    /// Maximum number of bytes: those of one receive.
    static var limit: Int { Behavior.transferSize }

    private var base: UnsafeMutableRawPointer?
    /// Bytes of memory held.
    private(set) var capacity = 0
    private var start = 0
    private var end = 0

    var count: Int { end - start }
    var isEmpty: Bool { start == end }
    var room: Int { Self.limit - count }

    /// All bytes, in order; valid until the next change.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base.map { $0 + start }, count: count)
    }

    /// Appends bytes.
    ///
    /// - Precondition: they fit into `room`.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= room, "\(bytes.count) bytes exceed the free space of \(room)")
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        if base == nil || end + bytes.count > capacity { makeRoom(for: bytes.count) }
        base.unsafelyUnwrapped.advanced(by: end).copyMemory(from: source, byteCount: bytes.count)
        end += bytes.count
    }

    /// Removes bytes from the start; frees the memory when the last one is removed.
    mutating func removeFirst(_ count: Int) {
        precondition(count <= self.count, "cannot remove \(count) of \(self.count) bytes")
        start += count
        if isEmpty { removeAll() }
    }

    private mutating func removeAll() {
        base?.deallocate()
        base = nil
        (capacity, start, end) = (0, 0, 0)
    }

    /// Moves the bytes to the start of the memory, or to a larger allocation if it is too small.
    private mutating func makeRoom(for more: Int) {
        let count = count
        if let base, count + more <= capacity {
            base.copyMemory(from: base + start, byteCount: count)
        } else {
            // The first allocation is exact: in most cases it is a remainder to which nothing is appended.
            let size = base == nil ? more : min(Self.limit, max(count + more, 2 * capacity))
            let larger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
            if let base {
                larger.copyMemory(from: base + start, byteCount: count)
                base.deallocate()
            }
            base = larger
            capacity = size
        }
        (start, end) = (0, count)
    }

    deinit {
        base?.deallocate()
    }
}
