import Logging
import Sockets
import TCPProxy
import Testing

@testable import monkey

@Suite("Metric line")
struct MetricLineTests {
    private let id = ConnectionID(worker: 2, count: 7)

    private func client(_ address: String) throws -> PeerAddress {
        guard case .socket(.internet(let address)) = try ServiceAddress(parsing: address) else { return .unix }
        return .internet(address)
    }

    private var totals: MetricsSnapshot {
        var totals = MetricsSnapshot()
        totals.activeConnections = 3
        totals.totalConnections = 15
        totals.bytesUpstream = 1_572_864
        totals.bytesDownstream = 819_200
        return totals
    }

    @Test("each event is one line")
    func events() throws {
        let client = try client("127.0.0.1:54321")
        let events: [MetricEvent] = [
            .connectionOpened(id: id, client: client, active: 1, total: 1),
            .bytesUpstream(id: id, client: client, count: 1024),
            .bytesDownstream(id: id, client: client, count: 512),
            .connectionClosed(id: id, client: client, reason: .ended, by: .client, active: 0),
        ]
        var totals = MetricsSnapshot()
        totals.bytesUpstream = 1024
        totals.bytesDownstream = 512
        #expect(
            events.map { MetricLine.event($0, totals: totals) } == [
                "[METRICS] ConnectionOpened 127.0.0.1:54321 | active: 1, total: 1",
                "[METRICS] 127.0.0.1:54321 ↑ 1024 | total up: 1.0KB",
                "[METRICS] 127.0.0.1:54321 ↓ 512 | total down: 512B",
                "[METRICS] ConnectionClosed 127.0.0.1:54321 | active: 0",
            ]
        )
    }

    @Test("the total of a byte event is that of the process")
    func runningTotal() throws {
        let event = MetricEvent.bytesUpstream(id: id, client: try client("127.0.0.1:1"), count: 10)
        #expect(MetricLine.event(event, totals: totals) == "[METRICS] 127.0.0.1:1 ↑ 10 | total up: 1.5MB")
    }

    @Test("clients of each address family are named")
    func clients() throws {
        let events = try [client("[::1]:54321"), .unix].map {
            MetricEvent.connectionClosed(id: id, client: $0, reason: .reset, by: .server, active: 2)
        }
        #expect(
            events.map { MetricLine.event($0, totals: totals) } == [
                "[METRICS] ConnectionClosed [::1]:54321 | active: 2", "[METRICS] ConnectionClosed unix: | active: 2",
            ]
        )
    }

    @Test("the summary is one line")
    func summary() {
        #expect(MetricLine.summary(totals) == "[METRICS] active: 3 | total: 15 | up: 1.5MB | down: 800.0KB")
    }

    @Test("the metadata contains what the line omits")
    func metadata() throws {
        let event = MetricEvent.connectionClosed(
            id: id,
            client: try client("127.0.0.1:1"),
            reason: .idleTimeout,
            by: .proxy,
            active: 4
        )
        #expect(
            MetricLine.metadata(event) == [
                "event": "connectionClosed", "connection": "2.7", "client": "127.0.0.1:1", "reason": "idleTimeout",
                "initiator": "proxy", "active": .stringConvertible(4),
            ]
        )
    }
}
