public import ServiceLifecycle
public import Sockets

// Interface only, for those who write against it; the implementation follows.
public final class Proxy: Sendable {
    public let localAddress: SocketAddress
    public let upstream: ServiceAddress
    init(localAddress: SocketAddress, upstream: ServiceAddress) {
        self.localAddress = localAddress
        self.upstream = upstream
    }
    public static func bind(_ listen: String, to upstream: String, configuration: Configuration = Configuration())
        async throws(ProxyError) -> Proxy
    { fatalError() }
    public static func bind(
        _ listen: ServiceAddress, to upstream: ServiceAddress, configuration: Configuration = Configuration()
    ) async throws(ProxyError) -> Proxy { fatalError() }
    /// Until shut down or cancelled.
    public func run() async throws {}
    /// Drains: not ready, `drainDelay`, stop listening, wait up to `grace` (nil: the configuration's), cut the rest. A second call with a shorter grace shortens it.
    @discardableResult
    public func shutdown(grace: Duration? = nil) async -> DrainSummary { fatalError() }
    /// False before run() and while draining.
    public var isReady: Bool { fatalError() }
    public func snapshot() -> MetricsSnapshot { fatalError() }
    public func clients() async -> ClientsSnapshot { fatalError() }
    public var events: MetricEvents { fatalError() }
    public var snapshots: MetricsSnapshots { fatalError() }
}
extension Proxy: Service {}
/// How a shutdown went.
public struct DrainSummary: Sendable, Equatable {
    /// Connections that came to their own end during the drain.
    public var ended: Int
    /// Connections that were reset at its end.
    public var cut: Int
}
public struct MetricEvents: AsyncSequence, Sendable {
    public typealias Element = MetricEvent
    public typealias Failure = Never
    public struct AsyncIterator: AsyncIteratorProtocol {
        public typealias Element = MetricEvent
        public typealias Failure = Never
        public mutating func next() async -> MetricEvent? { nil }
        public mutating func next(isolation actor: isolated (any Actor)?) async -> MetricEvent? { nil }
    }
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}
public struct MetricsSnapshots: AsyncSequence, Sendable {
    public typealias Element = MetricsSnapshot
    public typealias Failure = Never
    public struct AsyncIterator: AsyncIteratorProtocol {
        public typealias Element = MetricsSnapshot
        public typealias Failure = Never
        public mutating func next() async -> MetricsSnapshot? { nil }
        public mutating func next(isolation actor: isolated (any Actor)?) async -> MetricsSnapshot? { nil }
    }
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}
