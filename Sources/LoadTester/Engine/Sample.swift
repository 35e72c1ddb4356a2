import Histogram
import Sockets

typealias LatencyHistogram = Histogram<UInt64>

extension Histogram where Count == UInt64 {
    /// Maximum recordable time, 1 h in nanoseconds; longer times are recorded as this one.
    static var maxLatency: UInt64 { 3_600_000_000_000 }

    /// Creates a histogram of times in nanoseconds, up to 1 h, with 3 significant digits. Recording does not allocate.
    static func forLatency() -> LatencyHistogram {
        LatencyHistogram(
            lowestDiscernibleValue: 1,
            highestTrackableValue: maxLatency,
            numberOfSignificantValueDigits: .three
        )
    }

    @inline(__always)
    mutating func record(_ start: Instant, _ end: Instant) {
        let time = end > start ? end.nanoseconds &- start.nanoseconds : 0
        record(Swift.min(time, Self.maxLatency))
    }
}

/// The measurements of one thread in one interval. It has one owner at a time: the thread while it is recording, then
/// the collector that merges it.
struct Sample: Sendable {
    /// Time from when a request was due to its response: the latency a client would have observed.
    var fromDue = LatencyHistogram.forLatency()
    /// Time from when a request was sent to its response; excludes the time it waited before.
    var fromSend = LatencyHistogram.forLatency()
    /// Time from when a request was due and a connection was idle to when it was sent: the load tester's own delay.
    var lag = LatencyHistogram.forLatency()
    /// Time to establish a connection.
    var connect = LatencyHistogram.forLatency()
    /// Time from an established connection to the end of its TLS handshake.
    var handshake = LatencyHistogram.forLatency()

    mutating func merge(_ other: borrowing Sample) {
        fromDue.add(other.fromDue)
        fromSend.add(other.fromSend)
        lag.add(other.lag)
        connect.add(other.connect)
        handshake.add(other.handshake)
    }

    private static let pristine = Sample()

    /// Returns an empty sample that owns its memory, so that recording does not trigger a copy.
    static func fresh() -> Sample {
        var sample = pristine
        // Merging an empty sample makes each array unique by copying it, which is cheaper than filling a new one.
        sample.merge(pristine)
        return sample
    }
}

/// One step of a ramp: the requests due in it, and their outcomes.
struct StepSample: Sendable {
    var due = 0
    var answered = 0
    var failed = 0
    var fromDue = LatencyHistogram.forLatency()

    mutating func merge(_ other: StepSample) {
        due += other.due
        answered += other.answered
        failed += other.failed
        fromDue.add(other.fromDue)
    }
}
