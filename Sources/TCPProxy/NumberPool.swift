/// Small numbers for what comes and goes: those that were given back come again first, the last one before others.
struct NumberPool {
    /// How many there are: 0 to this, exclusive.
    let capacity: Int
    private var used = 0
    private var free: [Int] = []

    /// - Parameter taken: the first so many are taken from the beginning.
    init(capacity: Int, taken: Int = 0) {
        self.capacity = capacity
        used = taken
    }

    /// - Returns: nil if all are taken. Numbers that were never taken come in their order.
    mutating func take() -> Int? {
        if let number = free.popLast() { return number }
        guard used < capacity else { return nil }
        used += 1
        return used - 1
    }

    mutating func giveBack(_ number: Int) { free.append(number) }

    /// - Parameter numbers: the last of them comes first.
    mutating func giveBack(_ numbers: some Sequence<Int>) { free += numbers }
}
