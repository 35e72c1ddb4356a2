import EventLoop
import Sockets

/// A bounded FIFO queue of requests that are due and not sent yet, represented by their due times.
struct DueQueue: ~Copyable {
    private let pages: MappedMemory
    private let moments: UnsafeMutablePointer<UInt64>
    private var first = 0
    private(set) var count = 0
    /// Maximum number of requests.
    let limit: Int

    /// - Parameter limit: at least 1. Memory is touched only as far as the ring buffer has been used.
    init(limit: Int) {
        self.limit = limit
        pages = MappedMemory(bytes: limit * MemoryLayout<UInt64>.stride)
        moments = pages.base.bindMemory(to: UInt64.self, capacity: limit)
    }

    deinit {
        pages.free()
    }

    var isEmpty: Bool { count == 0 }

    /// - Returns: false if the queue is full; then the request was not appended.
    mutating func append(_ due: Instant) -> Bool {
        guard count < limit else { return false }
        let last = first + count
        moments[last < limit ? last : last - limit] = due.nanoseconds
        count += 1
        return true
    }

    mutating func popFirst() -> Instant? {
        guard count > 0 else { return nil }
        let moment = moments[first]
        count -= 1
        // Restarts at index 0 when empty, so that a short queue stays on its first page.
        first = count == 0 || first + 1 == limit ? 0 : first + 1
        return Instant(nanoseconds: moment)
    }
}
