import Synchronization

/// A query to all workers and the collection of their answers.
final class WorkerGather<Answer: Sendable>: Sendable {
    private struct State {
        var answers: [Answer] = []
        var missing: Int
        var continuation: CheckedContinuation<[Answer], Never>?
    }

    private let state: Mutex<State>

    init(workers: Int) {
        state = Mutex(State(missing: workers))
    }

    /// Adds the answer of one worker; nil if the worker has ended.
    func report(_ answer: Answer?) {
        let finished = state.withLock { state -> (CheckedContinuation<[Answer], Never>, [Answer])? in
            if let answer { state.answers.append(answer) }
            state.missing -= 1
            guard state.missing == 0, let continuation = state.continuation.take() else { return nil }
            return (continuation, state.answers)
        }
        if let (continuation, answers) = finished { continuation.resume(returning: answers) }
    }

    /// Whether all workers have reported.
    var isComplete: Bool { state.withLock { $0.missing == 0 } }

    /// Returns all answers once all workers have reported.
    func all() async -> [Answer] {
        await withCheckedContinuation { continuation in
            let answers = state.withLock { state -> [Answer]? in
                guard state.missing > 0 else { return state.answers }
                state.continuation = continuation
                return nil
            }
            if let answers { continuation.resume(returning: answers) }
        }
    }
}

/// Completes when each worker has executed a command, or has ended and never will.
typealias CountdownLatch = WorkerGather<Never>

extension CountdownLatch {
    /// Records that one worker has executed the command, or has ended.
    func report() { report(nil) }

    /// Returns when all workers have reported.
    func wait() async { _ = await all() }
}
