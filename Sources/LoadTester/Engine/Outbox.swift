import Sockets
import Synchronization

/// What a generator tells of itself at the end of an interval.
struct Bulletin: Sendable {
    var sample: Sample
    /// From the start of the run.
    var counts: Counts
    /// Which interval of the measured time ends with it, from 1 on; 0 is before.
    var interval: Int
}

/// What a generator leaves behind.
struct Legacy: Sendable {
    /// Measured since the last bulletin.
    var sample: Sample
    var counts: Counts
    /// At the start and at the end of the measured time; nil if it was not reached.
    var atStart: Counts?
    var atEnd: Counts?
    /// The interval that the measured time ended with.
    var interval: Int
    /// The measured time as it was.
    var measured: Duration
    var steps: [StepSample]
    /// The highest number of requests that waited at the same time.
    var longestQueue: Int
}

/// Where a generator puts its bulletins for the one who merges them: room for one, and an empty sample to go on with.
///
/// The lock is held for a swap and nothing longer. While the last bulletin has not been taken there is no swap, and the
/// generator writes on in the sample that it has: nobody waits, and nothing is lost.
final class Outbox: Sendable {
    private struct State {
        var bulletin: Bulletin?
        var spare: Sample?
        var legacy: Legacy?
    }

    private let state = Mutex(State(spare: Sample.fresh()))

    /// Hands over a sample and takes an empty one for it.
    ///
    /// - Returns: false if the last bulletin is still there; then nothing has changed.
    func exchange(_ sample: inout Sample, counts: Counts, interval: Int) -> Bool {
        state.withLock { state in
            guard state.bulletin == nil, let spare = state.spare.take() else { return false }
            state.bulletin = Bulletin(sample: sample, counts: counts, interval: interval)
            sample = spare
            return true
        }
    }

    /// Takes the bulletin, and leaves room for the next.
    func take() -> Bulletin? {
        let spare = Sample.fresh()
        return state.withLock { state in
            guard let bulletin = state.bulletin.take() else { return nil }
            state.spare = spare
            return bulletin
        }
    }

    func leave(_ legacy: Legacy) {
        state.withLock { $0.legacy = legacy }
    }

    func takeLegacy() -> Legacy? {
        state.withLock { $0.legacy.take() }
    }
}
