import Sockets
import Workers

/// Requests that are due and could not be sent yet, by the moment from which they wait. Bounded.
struct DueQueue: ~Copyable {
    private let pages: Pages
    private let moments: UnsafeMutablePointer<UInt64>
    private var first = 0
    private(set) var count = 0
    /// The most that may wait.
    let limit: Int

    /// - Parameter limit: 1 at least. Memory is touched only as far as the queue grows and goes round.
    init(limit: Int) {
        self.limit = limit
        pages = Pages(bytes: limit * MemoryLayout<UInt64>.stride)
        moments = pages.base.bindMemory(to: UInt64.self, capacity: limit)
    }

    deinit {
        pages.free()
    }

    var isEmpty: Bool { count == 0 }

    /// - Returns: false if the queue is full, and the request was not taken.
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
        // Back to the start when it is empty, so that a short queue stays on its first page.
        first = count == 0 || first + 1 == limit ? 0 : first + 1
        return Instant(nanoseconds: moment)
    }
}
