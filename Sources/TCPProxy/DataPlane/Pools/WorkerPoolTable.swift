/// A worker's pools, by pool number.
struct WorkerPoolTable: ~Copyable {
    private let places: UnsafeMutablePointer<WorkerPool>
    private let isTaken: UnsafeMutablePointer<Bool>

    init() {
        places = .allocate(capacity: SharedPoolState.capacity)
        isTaken = .allocate(capacity: SharedPoolState.capacity)
        isTaken.initialize(repeating: false, count: SharedPoolState.capacity)
    }

    deinit {
        for number in 0..<SharedPoolState.capacity where isTaken[number] { (places + number).deinitialize(count: 1) }
        places.deallocate()
        isTaken.deallocate()
    }

    func hasPool(_ number: Int) -> Bool { isTaken[number] }

    /// - Precondition: the pool has been set. The pointer remains valid if another pool is set at this number later.
    func pointer(to number: Int) -> UnsafeMutablePointer<WorkerPool> {
        precondition(isTaken[number], "unknown pool \(number)")
        return places + number
    }

    /// Stores a pool at a number, replacing the pool stored there, if any.
    mutating func set(_ pool: consuming WorkerPool, at number: Int) {
        if isTaken[number] { (places + number).deinitialize(count: 1) }
        (places + number).initialize(to: pool)
        isTaken[number] = true
    }
}
