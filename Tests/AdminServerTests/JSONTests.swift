import Sockets
import TCPProxy
import Testing

@testable import AdminServer

@Suite("JSON of the admin server")
struct JSONTests {
    @Test("clients are listed with their counters")
    func clients() throws {
        var snapshot = ClientsSnapshot()
        var client = ClientStatistics(address: .internet(try internetAddress("[2001:db8::1]:0")))
        (client.activeConnections, client.totalConnections) = (1, 2)
        (client.bytesUpstream, client.bytesDownstream) = (3, 4)
        (client.firstSeen, client.lastSeen) = (1_700_000_000.25, 1_700_000_001)
        snapshot.clients = [client, ClientStatistics(address: .unix)]
        snapshot.other.totalConnections = 9
        let none = #""active_connections":0,"total_connections":0,"bytes_upstream":0,"bytes_downstream":0"#
        let never = #""denied_connections":0,"first_seen":null,"last_seen":null"#
        #expect(
            ClientsResponse(snapshot: snapshot).json
                == #"{"clients":[{"address":"2001:db8::1","active_connections":1,"total_connections":2,"#
                + #""bytes_upstream":3,"bytes_downstream":4,"#
                + #""denied_connections":0,"first_seen":"2023-11-14T22:13:20.250Z","last_seen":"2023-11-14T22:13:21.000Z"},"#
                + #"{"address":"unix:",\#(none),\#(never)}],"#
                + #""other":{\#(none.replacing(#"total_connections":0"#, with: #"total_connections":9"#)),\#(never)}}"#
                + "\n"
        )
    }
}
