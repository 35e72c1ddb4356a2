import Synchronization

/// Counters of an echo server since it was bound.
public struct EchoCounters: Sendable, Equatable {
    /// Current number of open connections.
    public var active = 0
    /// Total number of accepted connections.
    public var total = 0
    /// Total number of bytes received from clients.
    public var bytesReceived = 0
    /// Total number of bytes accepted by the kernel for sending to clients.
    public var bytesSent = 0
    /// Connections that were closed in order: the client's FIN was answered with a FIN.
    public var ended = 0
    /// Connections that failed: reset by the client, lost in the network, or not registered with the poller.
    public var reset = 0
    /// Connections that the server closed because of ``EchoServer/Configuration/closeAfter``.
    public var closed = 0
    /// Connections that a shutdown reset at the end of its grace period.
    public var forced = 0
    /// Number of times the server paused accepting because it was out of descriptors or memory.
    public var acceptPauses = 0

    /// Creates counters that are all zero.
    public init() {}
}

/// The counters of one worker: written by that worker only, read by any thread. On cache lines of their own.
package final class WorkerCounters: Sendable {
    package let active = Counter()
    package let total = Counter()
    package let bytesReceived = Counter()
    package let bytesSent = Counter()
    package let ended = Counter()
    package let reset = Counter()
    package let closed = Counter()
    package let forced = Counter()
    package let acceptPauses = Counter()
    private let padding = CacheLines()

    package init() {}

    /// Adds the published values to `sum`.
    package func add(to sum: inout EchoCounters) {
        sum.active += active.value
        sum.total += total.value
        sum.bytesReceived += bytesReceived.value
        sum.bytesSent += bytesSent.value
        sum.ended += ended.value
        sum.reset += reset.value
        sum.closed += closed.value
        sum.forced += forced.value
        sum.acceptPauses += acceptPauses.value
    }

    /// Keeps the next worker's counters off these cache lines; two lines, since the processor prefetches lines in
    /// pairs.
    private struct CacheLines: Sendable {
        private let words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
        private let more: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    }
}

extension WorkerCounters {
    /// A counter with a single writer.
    package struct Counter: ~Copyable, Sendable {
        private let number = Atomic<Int>(0)

        /// Adds to the counter. With a single writer, a relaxed load and store suffice; they cost as much as a plain
        /// addition.
        package func add(_ amount: Int) {
            number.store(number.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
        }

        package var value: Int { number.load(ordering: .relaxed) }
    }
}
