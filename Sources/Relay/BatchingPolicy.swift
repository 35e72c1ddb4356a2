import Sockets

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
    public let maxPause: UInt64
    /// The size in bytes from which a transfer shows that the source did not pause: the bytes were waiting for the
    /// worker or the sink.
    public let backlog: Int
    /// The time in nanoseconds after the last transfer at which the source is read without a readiness event.
    public let delay: UInt64

    public init(
        minimumKiB: Int = 16 * 1024,
        minimumDuration: Duration = .milliseconds(250),
        maxPause: Duration = .milliseconds(1),
        backlog: Int = 512 * 1024,
        delay: Duration = .milliseconds(1)
    ) {
        self.minimumKiB = minimumKiB
        self.minimumDuration = minimumDuration.wholeNanoseconds
        self.maxPause = maxPause.wholeNanoseconds
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
