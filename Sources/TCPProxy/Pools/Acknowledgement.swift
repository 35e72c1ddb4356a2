import Synchronization

/// Tells when all workers have done what they were told.
final class Acknowledgement: Sendable {
    private struct State {
        var missing: Int
        var continuation: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>

    init(workers: Int) {
        state = Mutex(State(missing: workers))
    }

    /// One worker has done it, or has ended and never will.
    func report() {
        let continuation = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.missing -= 1
            guard state.missing == 0 else { return nil }
            return state.continuation.take()
        }
        continuation?.resume()
    }

    /// Whether the last has.
    var isComplete: Bool { state.withLock { $0.missing == 0 } }

    /// Returns when the last has.
    func all() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state -> Bool in
                if state.missing > 0 { state.continuation = continuation }
                return state.missing == 0
            }
            if isOver { continuation.resume() }
        }
    }
}
