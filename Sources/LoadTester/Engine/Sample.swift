import Histogram
import Sockets

typealias LatencyHistogram = Histogram<UInt64>

extension Histogram where Count == UInt64 {
    /// The longest time that is told from longer ones; those count as it.
    static var longest: UInt64 { 3_600_000_000_000 }

    /// For times in nanoseconds, to three significant digits, up to an hour. Nothing is allocated for a value.
    static func forLatency() -> LatencyHistogram {
        LatencyHistogram(
            lowestDiscernibleValue: 1,
            highestTrackableValue: longest,
            numberOfSignificantValueDigits: .three
        )
    }

    @inline(__always)
    mutating func record(_ start: Instant, _ end: Instant) {
        let time = end > start ? end.nanoseconds &- start.nanoseconds : 0
        record(Swift.min(time, Self.longest))
    }
}

/// What one thread measured in one interval. It has one owner at a time: the thread while it is written, then whoever
/// merges it.
struct Sample: Sendable {
    /// From when a request was due to its response: what a client would have seen.
    var fromDue = LatencyHistogram.forLatency()
    /// From when it was sent, which hides what it had waited before.
    var fromSend = LatencyHistogram.forLatency()
    /// From when a request was due and could have been sent to when it was: the tester's own delay.
    var lag = LatencyHistogram.forLatency()
    /// From the start of a connect to the connection.
    var connect = LatencyHistogram.forLatency()

    mutating func merge(_ other: borrowing Sample) {
        fromDue.add(other.fromDue)
        fromSend.add(other.fromSend)
        lag.add(other.lag)
        connect.add(other.connect)
    }

    private static let pristine = Sample()

    /// An empty sample whose memory is its own, so that recording in it copies nothing.
    static func fresh() -> Sample {
        var sample = pristine
        // To add nothing makes each array unique at the price of a copy, cheaper than filling it anew.
        sample.merge(pristine)
        return sample
    }
}

/// A part of a ramp: what was due in it, and how it fared.
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
