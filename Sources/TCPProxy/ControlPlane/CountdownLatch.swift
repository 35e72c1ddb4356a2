import Synchronization

/// A countdown latch that completes when every worker has acknowledged a command.
final class CountdownLatch: Sendable {
    private struct State {
        var missing: Int
        var continuation: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>

    init(workers: Int) {
        state = Mutex(State(missing: workers))
    }

    /// Records that one worker has executed the command, or has ended and never will.
    func report() {
        let continuation = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.missing -= 1
            guard state.missing == 0 else { return nil }
            return state.continuation.take()
        }
        continuation?.resume()
    }

    /// Whether all workers have reported.
    var isComplete: Bool { state.withLock { $0.missing == 0 } }

    /// Returns when all workers have reported.
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
