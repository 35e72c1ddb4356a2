public import Sockets

/// The duration and amount of data that a direction has moved without a pause; decides when reads are batched. Pure.
@usableFromInline
struct SustainedStream {
    /// The time of the first transfer after the last pause.
    @usableFromInline var beganAt = Instant(nanoseconds: 0)
    /// The time of the last transfer; zero before the first.
    @usableFromInline var lastTransferAt = Instant(nanoseconds: 0)
    /// The amount of data moved since ``beganAt``, in KiB.
    @usableFromInline var movedKiB: UInt32 = 0
    /// The number of times that batching has ended, up to ``BatchingPolicy/maxDoublings``.
    @usableFromInline var doublings: UInt8 = 0
    /// Whether reads are batched.
    @usableFromInline var isBatching = false

    @inlinable
    init() {}

    /// Records a transfer.
    ///
    /// - Returns: Whether reads may be batched from now on.
    @inlinable
    mutating func moved(_ count: Int, at now: Instant, _ policy: borrowing BatchingPolicy) -> Bool {
        // The delay caused by batching itself is not a pause.
        let maxPause = isBatching ? policy.maxPause &+ policy.delay : policy.maxPause
        let backlog = policy.backlog
        let isPause = now.nanoseconds &- lastTransferAt.nanoseconds > maxPause && count < backlog
        if isPause || lastTransferAt.nanoseconds == 0 {
            beganAt = now
            movedKiB = 0
        }
        lastTransferAt = now
        movedKiB = UInt32(clamping: Int(movedKiB) + count >> 10)
        guard Int(movedKiB) >= policy.minimumKiB << Int(doublings) else { return false }
        return now.nanoseconds &- beganAt.nanoseconds >= policy.minimumDuration
    }

    /// Returns the number of bytes that arrive within half of the batching delay at the stream's average rate; 0 if
    /// that is less than the minimum batch.
    @inlinable
    func batchSize(_ policy: borrowing BatchingPolicy) -> Int {
        let elapsed = max(1, lastTransferAt.nanoseconds &- beganAt.nanoseconds)
        let bytes = UInt64(movedKiB) << 10 &* (policy.delay / 2) / elapsed
        return bytes < UInt64(BatchingPolicy.minBatch) ? 0 : Int(min(bytes, UInt64(BatchingPolicy.maxBatch)))
    }

    /// Ends batching: the next start requires twice as many bytes.
    @inlinable
    mutating func endBatching(at now: Instant) {
        isBatching = false
        doublings = min(doublings + 1, BatchingPolicy.maxDoublings)
        beganAt = now
        movedKiB = 0
    }
}
