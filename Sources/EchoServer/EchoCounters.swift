import Synchronization

/// What an echo server has done since it was bound.
public struct EchoCounters: Sendable, Equatable {
    /// Connections open now.
    public var active = 0
    /// Connections accepted in all.
    public var total = 0
    /// Bytes received from clients.
    public var bytesReceived = 0
    /// Bytes that the system has taken to send to clients.
    public var bytesSent = 0
    /// Connections that came to an orderly end: the client's FIN was answered with one.
    public var ended = 0
    /// Connections that the client, or the network, broke.
    public var reset = 0
    /// Connections that the server ended because of ``EchoServer/Configuration/closeAfter``.
    public var closed = 0
    /// Connections that a shutdown reset because its grace was over.
    public var cut = 0
    /// How often the server stopped accepting for a while, because it had no descriptor or no memory left.
    public var acceptPauses = 0

    /// Nothing yet.
    public init() {}
}

/// One worker's counters: it alone writes them, anybody reads them. They have cache lines of their own.
package final class WorkerCounters: Sendable {
    package let active = Counter()
    package let total = Counter()
    package let bytesReceived = Counter()
    package let bytesSent = Counter()
    package let ended = Counter()
    package let reset = Counter()
    package let closed = Counter()
    package let cut = Counter()
    package let acceptPauses = Counter()
    private let padding = CacheLines()

    package init() {}

    /// What has been counted, as far as it has been published.
    package func add(to sum: inout EchoCounters) {
        sum.active += active.value
        sum.total += total.value
        sum.bytesReceived += bytesReceived.value
        sum.bytesSent += bytesSent.value
        sum.ended += ended.value
        sum.reset += reset.value
        sum.closed += closed.value
        sum.cut += cut.value
        sum.acceptPauses += acceptPauses.value
    }

    /// Keeps the next worker's counters off these lines; two, since the processor fetches neighbours in pairs.
    private struct CacheLines: Sendable {
        private let words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
        private let more: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    }
}

/// A number with one writer.
package struct Counter: ~Copyable, Sendable {
    private let number = Atomic<Int>(0)

    /// With one writer no other can come in between, so a load and a store do, and cost what a plain addition costs.
    package func add(_ amount: Int) {
        number.store(number.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    package var value: Int { number.load(ordering: .relaxed) }
}
