import TCPProxy

/// Client statistics as a JSON object. docs/metrics.md describes it.
struct ClientsResponse {
    let snapshot: ClientsSnapshot

    var json: String {
        JSON.object([
            ("clients", .array(snapshot.clients.map { .object([address(of: $0)] + figures(of: $0)) })),
            ("other", .object(figures(of: snapshot.other))),
        ]).line
    }

    private func address(of client: ClientStatistics) -> (String, JSON) {
        ("address", client.address.map { .string($0.clientName) } ?? .null)
    }

    private func figures(of client: ClientStatistics) -> [(String, JSON)] {
        [
            ("active_connections", .integer(client.activeConnections)),
            ("total_connections", .integer(client.totalConnections)),
            ("bytes_upstream", .integer(client.bytesUpstream)),
            ("bytes_downstream", .integer(client.bytesDownstream)),
            ("first_seen", moment(client.firstSeen)),
            ("last_seen", moment(client.lastSeen)),
        ]
    }

    private func moment(_ seconds: Double?) -> JSON {
        seconds.map { .string(CalendarTimestamp(secondsSince1970: $0).rfc3339) } ?? .null
    }
}
