/// Events of a proxy's connections as they happen; see ``MetricEvent``.
///
/// The sequence ends when the proxy has ended. Several iterators share the events: each event goes to one of them. No
/// events are recorded while there is no iterator. If the readers are too slow, events are dropped and counted in
/// ``MetricsSnapshot/eventsDropped``.
public struct MetricEvents: AsyncSequence, Sendable {
    /// An event of a connection.
    public typealias Element = MetricEvent
    /// The sequence does not fail.
    public typealias Failure = Never

    let hub: EventHub

    /// Subscribes to events: the iterator returns events from now on.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(listener: Listener(hub: hub))
    }

    /// The iterator over the events.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let listener: Listener
        private var batch: ArraySlice<MetricEvent> = []

        fileprivate init(listener: Listener) {
            self.listener = listener
        }

        /// Returns the next event; nil if the proxy has stopped or the task is canceled.
        public mutating func next() async -> MetricEvent? {
            await next(isolation: nil)
        }

        /// Returns the next event, without leaving the isolation of the caller.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> MetricEvent? {
            if batch.isEmpty { batch = await listener.hub.next()[...] }
            return batch.popFirst()
        }
    }

    /// Subscription for the lifetime of its iterator.
    fileprivate final class Listener: Sendable {
        let hub: EventHub

        init(hub: EventHub) {
            self.hub = hub
            hub.subscribe()
        }

        deinit {
            hub.unsubscribe()
        }
    }
}
