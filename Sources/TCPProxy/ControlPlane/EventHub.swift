import EventLoop
import Synchronization

/// Access to the workers' event rings for the readers of events.
final class EventHub: Sendable {
    private let memory: SharedMemory
    /// Its lock is also held while the rings are emptied, so that each has one reader at a time.
    private let isFinished = Mutex(false)
    private let readers = WaitingTasks()
    private let denialReaders = WaitingTasks()

    /// Maximum number of events that a reader takes from one ring in one step.
    private static let batchLimit = 256

    init(memory: SharedMemory) {
        self.memory = memory
    }

    func subscribe() {
        isFinished.withLock { _ in
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
        readers.wakeAll()
    }

    /// Wakes the task that waits for denied connections. Called by workers after they have denied some.
    func notifyDenied() {
        denialReaders.wakeAll()
    }

    /// Returns examples of the connections denied since the last call, at least one; returns none if the task is
    /// cancelled or the proxy has ended.
    func nextDenials() async -> [Denial] {
        while !Task.isCancelled {
            let (batch, isFinished) = self.isFinished.withLock { isFinished in
                var batch: [Denial] = []
                for ring in memory.denials { ring.read(into: &batch, limit: .max) }
                return (batch, isFinished)
            }
            if !batch.isEmpty || isFinished { return batch }
            await denialReaders.wait(
                unless: { self.isFinished.withLock { $0 } || memory.denials.contains { $0.count > 0 } }
            )
        }
        return []
    }

    /// Ends the event stream; events still in the rings can be read.
    func finish() {
        isFinished.withLock { $0 = true }
        notify()
        notifyDenied()
    }

    /// Returns the next events, at least one; returns none at the end of the stream or if the task is cancelled.
    func next() async -> [MetricEvent] {
        while !Task.isCancelled {
            let (batch, isFinished) = take()
            if !batch.isEmpty || isFinished { return batch }
            // The rings are read again, because an event that was written before this task waits wakes no reader.
            await readers.wait(unless: { self.isFinished.withLock { $0 } || memory.rings.contains { $0.count > 0 } })
        }
        return []
    }

    private func take() -> ([MetricEvent], isFinished: Bool) {
        isFinished.withLock { isFinished in
            var batch: [MetricEvent] = []
            for ring in memory.rings { ring.read(into: &batch, limit: Self.batchLimit) }
            return (batch, isFinished)
        }
    }
}
