/// Allocator of small numbers. Released numbers are reused first, the most recently released one before others.
struct IDAllocator {
    /// Upper bound (exclusive) of the numbers, which start at 0.
    let capacity: Int
    private var used = 0
    private var free: [Int] = []

    /// - Parameter taken: how many of the lowest numbers are in use from the beginning.
    init(capacity: Int, taken: Int = 0) {
        self.capacity = capacity
        used = taken
    }

    /// Allocates a number; returns nil if all are in use. Numbers never used before are allocated in ascending order.
    mutating func take() -> Int? {
        if let number = free.popLast() { return number }
        guard used < capacity else { return nil }
        used += 1
        return used - 1
    }

    /// Allocates a number like ``take()``, and appends it to a list.
    mutating func take(into list: inout [Int]) -> Int? {
        let number = take()
        if let number { list.append(number) }
        return number
    }

    mutating func release(_ number: Int) { free.append(number) }

    /// Releases several numbers.
    ///
    /// - Parameter numbers: the last one is reused first.
    mutating func release(_ numbers: some Sequence<Int>) { free += numbers }
}
