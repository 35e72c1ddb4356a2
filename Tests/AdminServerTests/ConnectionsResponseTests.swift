import Testing

@testable import AdminServer
@testable import TCPProxy

@Suite("List of connections")
struct ConnectionsResponseTests {
    private var connection: ConnectionInfo {
        ConnectionInfo(
            id: ConnectionID(worker: 0, count: 17),
            client: .internet(InternetAddress(v4: 0xC000_0201, port: 50_000)),
            listener: "web",
            pool: "servers",
            server: nil,
            stage: .relaying,
            bytesUpstream: 1,
            bytesDownstream: 2,
            age: .seconds(3)
        )
    }

    private func json(_ connection: ConnectionInfo) -> String {
        var snapshot = ConnectionsSnapshot()
        snapshot.connections = [connection]
        snapshot.total = 1
        return ConnectionsResponse(snapshot: snapshot).json
    }

    @Test("a connection without TLS has no description of it")
    func plain() {
        #expect(
            json(connection)
                == #"{"total":1,"connections":[{"id":"0.17","client":"192.0.2.1:50000","listener":"web","pool":"servers","#
                + #""server":null,"stage":"relaying","bytes_upstream":1,"bytes_downstream":2,"age_seconds":3.0,"#
                + #""client_tls":null,"server_tls":null}]}"# + "\n"
        )
    }

    @Test("a connection with TLS has its version, cipher, names and certificate for each side")
    func tls() {
        var connection = connection
        var client = TLSConnectionInfo(version: .v13, cipher: "TLS_AES_128_GCM_SHA256", isResumed: true)
        client.applicationProtocol = "h2"
        client.serverName = "a\"b\n"
        client.certificate = .init(subject: #"CN=\"x\""#, commonName: "\"x\"", fingerprint: "ab", isVerified: true)
        connection.clientTLS = client
        connection.serverTLS = TLSConnectionInfo(version: .v12, cipher: "ECDHE-RSA-AES128-GCM-SHA256")
        let text = json(connection)
        #expect(
            text.contains(
                #""client_tls":{"version":"TLSv1.3","cipher":"TLS_AES_128_GCM_SHA256","alpn":"h2","sni":"a\"b\n","#
                    + #""resumed":true,"certificate":{"subject":"CN=\\\"x\\\"","fingerprint":"ab"}}"#
            ),
            "\(text)"
        )
        #expect(
            text.contains(
                #""server_tls":{"version":"TLSv1.2","cipher":"ECDHE-RSA-AES128-GCM-SHA256","alpn":null,"sni":null,"#
                    + #""resumed":false,"certificate":null}}"#
            ),
            "\(text)"
        )
    }
}
