import Synchronization

/// Access to the workers' event rings for the readers of events.
final class EventHub: Sendable {
    private struct State {
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
        var isFinished = false
    }

    private let memory: SharedMemory
    private let state = Mutex(State())

    /// Maximum number of events that a reader takes from one ring in one step.
    private static let batchLimit = 256

    init(memory: SharedMemory) {
        self.memory = memory
    }

    func subscribe() {
        state.withLock { state in
            guard memory.subscriptions.subscribe() == 1 else { return }
            // Discards events that an earlier reader has left in the rings.
            var stale: [MetricEvent] = []
            for ring in memory.rings { ring.read(into: &stale, limit: .max) }
        }
    }

    func unsubscribe() {
        memory.subscriptions.unsubscribe()
    }

    /// Wakes waiting readers. Called by workers after they have written events.
    func notify() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume() }
    }

    /// Ends the event stream; events still in the rings can be read.
    func finish() {
        state.withLock { $0.isFinished = true }
        notify()
    }

    /// Returns the next events, at least one; returns none at the end of the stream or if the task is cancelled.
    func next() async -> [MetricEvent] {
        while !Task.isCancelled {
            let (batch, isFinished) = take()
            if !batch.isEmpty || isFinished { return batch }
            await wait()
        }
        return []
    }

    private func take() -> ([MetricEvent], isFinished: Bool) {
        state.withLock { state in
            var batch: [MetricEvent] = []
            for ring in memory.rings { ring.read(into: &batch, limit: Self.batchLimit) }
            return (batch, state.isFinished)
        }
    }

    private func wait() async {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    // An event written before the lock was taken woke no reader.
                    guard !state.isFinished, !Task.isCancelled, memory.rings.allSatisfy({ $0.count == 0 }) else {
                        return false
                    }
                    state.waiters[number] = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
        }
    }
}
