import Synchronization

/// A query to all workers and the collection of their answers.
final class WorkerGather<Answer: Sendable>: Sendable {
    /// The answer of one worker.
    typealias Part = Answer

    private struct State {
        var parts: [Part] = []
        var missing: Int
        var continuation: CheckedContinuation<[Part], Never>?
    }

    private let state: Mutex<State>

    init(workers: Int) {
        state = Mutex(State(missing: workers))
    }

    /// Adds the answer of one worker; nil if the worker has ended.
    func report(_ part: Part?) {
        let finished = state.withLock { state -> (CheckedContinuation<[Part], Never>, [Part])? in
            if let part { state.parts.append(part) }
            state.missing -= 1
            guard state.missing == 0, let continuation = state.continuation else { return nil }
            state.continuation = nil
            return (continuation, state.parts)
        }
        if let (continuation, parts) = finished { continuation.resume(returning: parts) }
    }

    /// Returns all answers once the last one has arrived.
    func parts() async -> [Part] {
        await withCheckedContinuation { continuation in
            let parts = state.withLock { state -> [Part]? in
                guard state.missing > 0 else { return state.parts }
                state.continuation = continuation
                return nil
            }
            if let parts { continuation.resume(returning: parts) }
        }
    }
}
