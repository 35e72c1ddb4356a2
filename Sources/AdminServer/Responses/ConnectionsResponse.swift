import TCPProxy
import ValueFormats

/// Connections as a JSON object. docs/control.md describes each member.
struct ConnectionsResponse {
    let snapshot: ConnectionsSnapshot

    var json: String {
        JSONValue.object([
            "total": .integer(snapshot.total),
            "connections": .array(snapshot.connections.map(object)),
        ]).line
    }

    private func object(_ connection: ConnectionInfo) -> JSONValue {
        .object([
            "id": .string("\(connection.id)"),
            "client": .string("\(connection.client)"),
            "listener": .string(connection.listener),
            "pool": .string(connection.pool),
            "server": connection.server.map { .string($0) } ?? .null,
            "stage": .string(connection.stage.rawValue),
            "bytes_upstream": .integer(connection.bytesUpstream),
            "bytes_downstream": .integer(connection.bytesDownstream),
            "age_seconds": .number(connection.age.inSeconds),
            "client_tls": connection.clientTLS.map(object) ?? .null,
            "server_tls": connection.serverTLS.map(object) ?? .null,
        ])
    }

    private func object(_ tls: TLSConnectionInfo) -> JSONValue {
        .object([
            "version": .string(tls.version.protocolName),
            "cipher": .string(tls.cipher),
            "alpn": tls.applicationProtocol.map { .string($0) } ?? .null,
            "sni": tls.serverName.map { .string($0) } ?? .null,
            "resumed": .boolean(tls.isResumed),
            "certificate": tls.certificate.map(object) ?? .null,
        ])
    }

    private func object(_ certificate: TLSConnectionInfo.Certificate) -> JSONValue {
        .object(["subject": .string(certificate.subject), "fingerprint": .string(certificate.fingerprint)])
    }
}
