import FakeSystem
import Relay
import Sockets

@testable import TCPProxy

/// What the proxy counts and reports.
extension FakeProxy {
    /// A counter, summed over the workers.
    subscript(counter: Counter) -> Int { memory.pages.reduce(0) { $0 + $1[counter] } }

    var active: Int { memory.connectionLimiter.active }
    var total: Int { memory.connectionLimiter.total }

    /// Number of successful connection attempts.
    var connected: Int { (0...DurationHistogram.bounds.count).reduce(0) { $0 + self[.connectTime(bucket: $1)] } }

    /// Clients that the listener denied, by cause; causes with a count of zero are left out.
    var denied: [DenyReason: Int] {
        let counts = DenyReason.allCases.map { cause in
            (cause, memory.listenerMetrics.reduce(0) { $0 + $1[0, .denied(cause)] })
        }
        return Dictionary(uniqueKeysWithValues: counts).filter { $0.value > 0 }
    }

    /// Closed connections by reason; reasons with a count of zero are left out.
    var closures: [MetricsSnapshot.Closure: Int] {
        var closures: [MetricsSnapshot.Closure: Int] = [:]
        for reason in CloseReason.allCases {
            for initiator in CloseInitiator.allCases {
                let count = self[.closure(reason, initiator)]
                if count > 0 { closures[.init(reason: reason, initiator: initiator)] = count }
            }
        }
        return closures
    }

    var failures: [ConnectFailure: Int] {
        Dictionary(uniqueKeysWithValues: ConnectFailure.allCases.map { ($0, self[.failure($0)]) })
            .filter { $0.value > 0 }
    }

    /// Returns the unread events.
    func takeEvents() -> [MetricEvent] {
        var events: [MetricEvent] = []
        for ring in memory.rings { ring.read(into: &events, limit: .max) }
        return events
    }

    /// Returns the unread records of ended connections.
    func takeRecords() -> [ConnectionRecord] {
        var records: [ConnectionRecord] = []
        for ring in memory.records ?? [] { ring.read(into: &records, limit: .max) }
        return records
    }

    /// Number of turns of all workers so far.
    var waits: Int { members.reduce(0) { $0 + $1.poller.waits } }
}

extension MetricsSnapshot.Closure {
    static func by(_ initiator: CloseInitiator, _ reason: CloseReason) -> Self {
        .init(reason: reason, initiator: initiator)
    }
}
