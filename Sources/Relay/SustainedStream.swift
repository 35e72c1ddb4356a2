public import Sockets

/// The conditions under which a direction batches its reads, the only case in which received bytes wait for more bytes.
///
/// Batching saves wake-ups. It delays the last bytes before a pause by at most ``delay`` plus one timer tick. The
/// defaults keep that delay below 1 % of the duration of the stream: 2 ms after at least 250 ms.
public struct BatchingPolicy: Sendable {
    /// The amount of data in KiB that a direction moves without a pause before it first batches; doubled each time
    /// batching ends, up to ``maxDoublings`` times.
    public let minimumKiB: Int
    /// The time in nanoseconds for which a direction moves bytes without a pause before it batches.
    public let minimumDuration: UInt64
    /// The maximum time between two transfers in nanoseconds. A longer one is a pause of the source and restarts the
    /// count.
    public let longestPause: UInt64
    /// The size in bytes from which a transfer shows that the source did not pause: the bytes were waiting for the
    /// worker or the sink.
    public let backlog: Int
    /// The time in nanoseconds after the last transfer at which the source is read without a readiness event.
    public let delay: UInt64

    public init(
        minimumKiB: Int = 16 * 1024,
        minimumDuration: Duration = .milliseconds(250),
        longestPause: Duration = .milliseconds(1),
        backlog: Int = 512 * 1024,
        delay: Duration = .milliseconds(1)
    ) {
        self.minimumKiB = minimumKiB
        self.minimumDuration = minimumDuration.wholeNanoseconds
        self.longestPause = longestPause.wholeNanoseconds
        self.backlog = backlog
        self.delay = delay.wholeNanoseconds
    }

    /// The maximum number of doublings of ``minimumKiB``.
    @inlinable static var maxDoublings: UInt8 { 10 }
    /// The minimum batch in bytes; waiting for fewer is not worthwhile.
    @inlinable static var minBatch: Int { 8 * 1024 }
    /// The maximum batch in bytes.
    @inlinable static var maxBatch: Int { 1024 * 1024 }
}

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
        let longestPause = isBatching ? policy.longestPause &+ policy.delay : policy.longestPause
        let backlog = policy.backlog
        let isPause = now.nanoseconds &- lastTransferAt.nanoseconds > longestPause && count < backlog
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
