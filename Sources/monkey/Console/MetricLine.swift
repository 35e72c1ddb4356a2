import Logging
import TCPProxy

/// Text and metadata of event and summary lines.
enum MetricLine {
    /// Formats one event. `totals` are the process totals at the time of the event or later.
    static func event(_ event: MetricEvent, totals: MetricsSnapshot) -> String {
        switch event {
        case .connectionOpened(_, let client, let active, let total):
            "[METRICS] ConnectionOpened \(client) | active: \(active), total: \(total)"
        case .connectionClosed(_, let client, _, _, let active):
            "[METRICS] ConnectionClosed \(client) | active: \(active)"
        case .bytesUpstream(_, let client, let count):
            "[METRICS] \(client) ↑ \(count) | total up: \(ByteCount(totals.bytesUpstream))"
        case .bytesDownstream(_, let client, let count):
            "[METRICS] \(client) ↓ \(count) | total down: \(ByteCount(totals.bytesDownstream))"
        }
    }

    static func summary(_ totals: MetricsSnapshot) -> String {
        "[METRICS] active: \(totals.activeConnections) | total: \(totals.totalConnections)"
            + " | up: \(ByteCount(totals.bytesUpstream)) | down: \(ByteCount(totals.bytesDownstream))"
    }

    static func dropped(_ count: Int) -> String {
        "[METRICS] \(count) events were dropped; counters are not affected"
    }

    /// Metadata of an event line: its values and more, for programs.
    static func metadata(_ event: MetricEvent) -> Logger.Metadata {
        switch event {
        case .connectionOpened(let id, let client, let active, let total):
            [
                "event": "connectionOpened", "connection": "\(id)", "client": "\(client)",
                "active": .stringConvertible(active), "total": .stringConvertible(total),
            ]
        case .connectionClosed(let id, let client, let reason, let side, let active):
            [
                "event": "connectionClosed", "connection": "\(id)", "client": "\(client)",
                "reason": "\(reason)", "initiator": "\(side)", "active": .stringConvertible(active),
            ]
        case .bytesUpstream(let id, let client, let count):
            [
                "event": "bytesUpstream", "connection": "\(id)", "client": "\(client)",
                "bytes": .stringConvertible(count),
            ]
        case .bytesDownstream(let id, let client, let count):
            [
                "event": "bytesDownstream", "connection": "\(id)", "client": "\(client)",
                "bytes": .stringConvertible(count),
            ]
        }
    }

    static func metadata(_ totals: MetricsSnapshot) -> Logger.Metadata {
        [
            "active_connections": .stringConvertible(totals.activeConnections),
            "total_connections": .stringConvertible(totals.totalConnections),
            "bytes_upstream": .stringConvertible(totals.bytesUpstream),
            "bytes_downstream": .stringConvertible(totals.bytesDownstream),
        ]
    }
}
