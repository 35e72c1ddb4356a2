import Synchronization

extension Atomic<Int> {
    /// Adds 1; returns false if that would exceed the limit.
    ///
    /// The count never exceeds the limit, not even briefly: a worker that is about to wait could mistake that for the
    /// limit being reached.
    @inline(__always)
    borrowing func increment(to limit: Int) -> Bool {
        var count = load(ordering: .relaxed)
        while count < limit {
            let (exchanged, now) = weakCompareExchange(
                expected: count,
                desired: count + 1,
                successOrdering: .sequentiallyConsistent,
                failureOrdering: .relaxed
            )
            if exchanged { return true }
            count = now
        }
        return false
    }
}
