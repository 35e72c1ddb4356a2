import Glibc

/// The memory of all ``UnsentBytes`` of a worker. Decides when to return freed memory to the system.
///
/// The allocator keeps what a crowd of clients that do not read has used, because later allocations lie between the freed
/// ones. Freed pages are returned when the memory in use has fallen to a quarter of its peak, so in steady operation, in
/// which it fluctuates, nothing is returned.
struct HeldMemory {
    /// Minimum peak. Less is not worth a walk through the heap.
    static var threshold: Int { 16 << 20 }

    private var bytes = 0
    private var peak = 0

    /// Records a change; returns whether freed memory is to be returned to the system.
    mutating func change(by difference: Int) -> Bool {
        bytes += difference
        peak = max(peak, bytes)
        guard difference < 0, peak >= Self.threshold, bytes <= peak / 4 else { return false }
        peak = bytes
        return true
    }

    /// Returns the free pages of the heap to the system.
    static func release() {
        _ = trim?(0)
    }

    /// malloc_trim(3), which Swift's Glibc module lacks; nil with another C library.
    private static let trim: (@convention(c) (Int) -> Int32)? =
        dlsym(nil, "malloc_trim").map { unsafeBitCast($0, to: (@convention(c) (Int) -> Int32).self) }
}
