import Synchronization

/// Where the workers' event rings meet their reader.
final class EventHub: Sendable {
    private struct State {
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
        var isFinished = false
    }

    private let memory: SharedMemory
    private let state = Mutex(State())

    /// The most events that a reader takes from one ring at once.
    private static let batchLimit = 256

    init(memory: SharedMemory) {
        self.memory = memory
    }

    func addListener() {
        state.withLock { state in
            guard memory.admission.addListener() == 1 else { return }
            // What an earlier reader left is not news.
            var stale: [MetricEvent] = []
            for ring in memory.rings { ring.read(into: &stale, limit: .max) }
        }
    }

    func removeListener() {
        memory.admission.removeListener()
    }

    /// For workers, after they have written: wakes readers that wait.
    func notify() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume() }
    }

    /// No more events will come; what is in the rings can still be read.
    func finish() {
        state.withLock { $0.isFinished = true }
        notify()
    }

    /// The next events, at least one; none at the end, or when the task is cancelled.
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
                    // Written before we took the lock: whoever wrote it found nobody to wake.
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

/// What happens to a proxy's connections, as it happens: see ``MetricEvent``.
///
/// The sequence ends when the proxy has ended. Several readers share the events between them; while nobody reads, none
/// are written. A reader that is too slow loses events, and ``MetricsSnapshot/eventsDropped`` counts them.
public struct MetricEvents: AsyncSequence, Sendable {
    public typealias Element = MetricEvent
    public typealias Failure = Never

    let hub: EventHub

    /// Begins to listen: what happens from now on is in the sequence.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(listener: Listener(hub: hub))
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let listener: Listener
        private var batch: ArraySlice<MetricEvent> = []

        fileprivate init(listener: Listener) {
            self.listener = listener
        }

        public mutating func next() async -> MetricEvent? {
            await next(isolation: nil)
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async -> MetricEvent? {
            if batch.isEmpty { batch = await listener.hub.next()[...] }
            return batch.popFirst()
        }
    }

    /// Listens for as long as its iterator lives.
    fileprivate final class Listener: Sendable {
        let hub: EventHub

        init(hub: EventHub) {
            self.hub = hub
            hub.addListener()
        }

        deinit {
            hub.removeListener()
        }
    }
}
