import Sockets
import Synchronization

/// The measurements of a generator at the end of an interval.
struct IntervalReport: Sendable {
    var sample: Sample
    /// Counters since the start of the run.
    var counts: Counts
    /// Number of the interval of the measured time that ends with it, from 1; 0 is the time before.
    var interval: Int
}

/// The final measurements of a generator.
struct ThreadResult: Sendable {
    /// Measurements since the last bulletin.
    var sample: Sample
    var counts: Counts
    /// Snapshots at the start and at the end of the measured time; nil if it was not reached.
    var atStart: Counts?
    var atEnd: Counts?
    /// Number of the interval in which the measured time ended.
    var interval: Int
    /// Actual length of the measured time.
    var measured: Duration
    var steps: [StepSample]
    /// Maximum number of requests queued at the same time.
    var maxQueueLength: Int
    /// Versions and cipher suites of the handshakes.
    var agreements: [LoadTest.Report.TLS.Agreement] = []
}

/// The handover of bulletins from a generator to the collector: one bulletin, and one empty sample to replace its own.
///
/// The lock is held only for a swap. While the last bulletin has not been taken, nothing is swapped and the generator
/// continues to record into its current sample: no thread waits, and no measurement is lost.
final class Outbox: Sendable {
    private struct State {
        var intervalReport: IntervalReport?
        var spare: Sample?
        var threadResult: ThreadResult?
    }

    private let state = Mutex(State(spare: Sample.fresh()))

    /// Hands over a sample and replaces it with an empty one.
    ///
    /// - Returns: false if the last bulletin has not been taken; then nothing has changed.
    func exchange(_ sample: inout Sample, counts: Counts, interval: Int) -> Bool {
        state.withLock { state in
            guard state.intervalReport == nil, let spare = state.spare.take() else { return false }
            state.intervalReport = IntervalReport(sample: sample, counts: counts, interval: interval)
            sample = spare
            return true
        }
    }

    /// Takes the bulletin, and makes room for the next one.
    func take() -> IntervalReport? {
        let spare = Sample.fresh()
        return state.withLock { state in
            guard let intervalReport = state.intervalReport.take() else { return nil }
            state.spare = spare
            return intervalReport
        }
    }

    func leave(_ threadResult: ThreadResult) {
        state.withLock { $0.threadResult = threadResult }
    }

    func takeThreadResult() -> ThreadResult? {
        state.withLock { $0.threadResult.take() }
    }
}
