import Sockets
import TCPProxy
import Testing

@testable import AdminServer

@Suite("JSON of the admin server")
struct JSONTests {
    @Test(
        "values are formatted as JSON",
        arguments: [
            (JSON.object([("b", .integer(-1)), ("a", .array([.null, .number(0.5)]))]), #"{"b":-1,"a":[null,0.5]}"#),
            (.object([]), "{}"),
            (.array([]), "[]"),
            (.number(.infinity), "null"),
            (.number(.nan), "null"),
            (.number(0.000_01), "1e-05"),
            (.string("\"\\\u{1}\n\u{7f}é"), "\"\\\"\\\\\\u0001\\u000a\u{7f}é\""),
        ] as [(JSON, String)]
    )
    func values(value: JSON, text: String) {
        #expect(value.line == text + "\n")
    }

    @Test("clients are listed with their counters")
    func clients() throws {
        var snapshot = ClientsSnapshot()
        var client = ClientStatistics(address: .internet(try internetAddress("[2001:db8::1]:0")))
        client.activeConnections = 1
        client.totalConnections = 2
        client.bytesUpstream = 3
        client.bytesDownstream = 4
        client.firstSeen = 1_700_000_000.25
        client.lastSeen = 1_700_000_001
        snapshot.clients = [client, ClientStatistics(address: .unix)]
        snapshot.other.totalConnections = 9
        let none = #""active_connections":0,"total_connections":0,"bytes_upstream":0,"bytes_downstream":0"#
        let never = #""first_seen":null,"last_seen":null"#
        #expect(
            ClientsResponse(snapshot: snapshot).json
                == #"{"clients":[{"address":"2001:db8::1","active_connections":1,"total_connections":2,"#
                + #""bytes_upstream":3,"bytes_downstream":4,"#
                + #""first_seen":"2023-11-14T22:13:20.250Z","last_seen":"2023-11-14T22:13:21.000Z"},"#
                + #"{"address":"unix:",\#(none),\#(never)}],"#
                + #""other":{\#(none.replacing(#"total_connections":0"#, with: #"total_connections":9"#)),\#(never)}}"#
                + "\n"
        )
    }
}

@Suite("Timestamps of the admin server")
struct TimestampTests {
    @Test(
        "a timestamp is formatted by RFC 3339",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_769_850_303.25, "2026-01-31T09:05:03.250Z"),
            (1_769_850_303.9999, "2026-01-31T09:05:04.000Z"),
            (-1, "1970-01-01T00:00:00.000Z"),
            (.nan, "1970-01-01T00:00:00.000Z"),
            (.infinity, "9999-12-31T23:59:59.999Z"),
        ] as [(Double, String)]
    )
    func rfc3339(seconds: Double, text: String) {
        #expect(CalendarTimestamp(secondsSince1970: seconds).rfc3339 == text)
    }

    @Test("a date in an HTTP header has the fixed format")
    func httpDate() {
        #expect(CalendarTimestamp(secondsSince1970: 784_111_777).httpDate == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}
