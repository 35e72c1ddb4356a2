public import Sockets

/// When a direction may batch its reads, which is the only case in which bytes that have arrived wait for more.
///
/// To batch saves wake-ups, and delays the last bytes before a pause by at most ``delay`` and a timer's tick. The defaults
/// keep that delay below 1 % of the time that the stream has taken: 2 ms after at least 250 ms.
public struct BatchingPolicy: Sendable {
    /// KiB that a direction moves without a pause before it first batches. Doubled each time batching has ended.
    public let minimumKiB: Int
    /// For how many nanoseconds a direction moves bytes without a pause before it batches.
    public let minimumDuration: UInt64
    /// In nanoseconds between two transfers; a longer one is a pause of the source, and the count begins again.
    public let longestPause: UInt64
    /// A transfer of at least so many bytes shows that it was not the source that paused: they have waited for the worker, or
    /// for the sink.
    public let backlog: Int
    /// How many nanoseconds after the last transfer the source is read without a readiness event.
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

    /// The most that ``minimumKiB`` is doubled.
    @inlinable static var mostDoublings: UInt8 { 10 }
    /// The fewest bytes that are worth to be waited for.
    @inlinable static var leastBatch: Int { 8 * 1024 }
    /// The most bytes that are waited for.
    @inlinable static var largestBatch: Int { 1024 * 1024 }
}

/// How long a direction has moved bytes without a pause: decides when it batches its reads. Pure.
@usableFromInline
struct SustainedStream {
    /// When the first transfer after the last pause was made.
    @usableFromInline var beganAt = Instant(nanoseconds: 0)
    /// When the last transfer was made; zero before the first.
    @usableFromInline var lastTransferAt = Instant(nanoseconds: 0)
    /// KiB moved since ``beganAt``.
    @usableFromInline var movedKiB: UInt32 = 0
    /// How often batching has ended, up to ``BatchingPolicy/mostDoublings``.
    @usableFromInline var doublings: UInt8 = 0
    /// Whether reads are batched.
    @usableFromInline var isBatching = false

    @inlinable
    init() {}

    /// Records a transfer.
    ///
    /// - Returns: whether reads may be batched from now on.
    @inlinable
    mutating func moved(_ count: Int, at now: Instant, _ policy: borrowing BatchingPolicy) -> Bool {
        // What batching itself delays is no pause.
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

    /// How many bytes arrive in half of the time that batching may delay them, at the stream's average rate; 0 where that is
    /// too little to be worth it.
    @inlinable
    func batchSize(_ policy: borrowing BatchingPolicy) -> Int {
        let elapsed = max(1, lastTransferAt.nanoseconds &- beganAt.nanoseconds)
        let bytes = UInt64(movedKiB) << 10 &* (policy.delay / 2) / elapsed
        return bytes < UInt64(BatchingPolicy.leastBatch) ? 0 : Int(min(bytes, UInt64(BatchingPolicy.largestBatch)))
    }

    /// Reads are no longer batched: the next time takes twice as many bytes.
    @inlinable
    mutating func endBatching(at now: Instant) {
        isBatching = false
        doublings = min(doublings + 1, BatchingPolicy.mostDoublings)
        beganAt = now
        movedKiB = 0
    }
}
