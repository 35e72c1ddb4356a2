import TCPProxy
import ValueFormats

/// Client statistics as a JSON object. docs/metrics.md describes it.
struct ClientsResponse {
    let snapshot: ClientsSnapshot

    var json: String {
        JSONValue.object([
            "clients": .array(snapshot.clients.map { .object(address(of: $0) + statistics(of: $0)) }),
            "other": .object(statistics(of: snapshot.other)),
        ]).line
    }

    private func address(of client: ClientStatistics) -> JSONObject {
        ["address": client.address.map { .string($0.clientName) } ?? .null]
    }

    private func statistics(of client: ClientStatistics) -> JSONObject {
        [
            "active_connections": .integer(client.activeConnections),
            "total_connections": .integer(client.totalConnections),
            "bytes_upstream": .integer(client.bytesUpstream),
            "bytes_downstream": .integer(client.bytesDownstream),
            "denied_connections": .integer(client.deniedConnections),
            "first_seen": moment(client.firstSeen),
            "last_seen": moment(client.lastSeen),
        ]
    }

    private func moment(_ seconds: Double?) -> JSONValue {
        seconds.map { .string(Timestamp(secondsSince1970: $0).description) } ?? .null
    }
}
