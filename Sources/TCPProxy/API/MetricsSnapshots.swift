import EventLoop

/// Sequence of a proxy's metrics: the latest snapshot immediately, then one each second.
///
/// Any number of tasks may iterate; a slow one skips snapshots and always gets the latest. The sequence ends with the
/// proxy, after the final snapshot.
public struct MetricsSnapshots: AsyncSequence, Sendable {
    /// The metrics at one time.
    public typealias Element = MetricsSnapshot
    /// The sequence does not fail.
    public typealias Failure = Never

    let watch: LatestValue<MetricsSnapshot>

    /// Creates an iterator.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(watch: watch)
    }

    /// The iterator over the snapshots.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let watch: LatestValue<MetricsSnapshot>
        private var version = 0

        fileprivate init(watch: LatestValue<MetricsSnapshot>) {
            self.watch = watch
        }

        /// Returns the next snapshot; nil if the proxy has stopped or the task is canceled.
        public mutating func next() async -> MetricsSnapshot? {
            await next(isolation: nil)
        }

        /// Returns the next snapshot, without leaving the isolation of the caller.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> MetricsSnapshot? {
            guard let latest = await watch.value(newerThan: version) else { return nil }
            version = latest.version
            return latest.value
        }
    }
}
