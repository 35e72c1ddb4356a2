import Support
import TLS
import Testing
import ValueFormats

@testable import LoadBalancer
@testable import TCPProxy

@Suite("Access log format")
struct AccessLogFormatTests {
    private let record = AccessRecord(
        id: ConnectionID(worker: 1, count: 7),
        openedAt: 1_769_903_999.25,
        client: .internet(InternetAddress(v4: 0xC000_0201, port: 50_000)),
        listener: "web",
        pool: "servers",
        server: "db\u{1}\"1",
        attempts: 2,
        bytesUpstream: 5,
        bytesDownstream: 1_000_000,
        queued: .zero,
        connecting: .microseconds(1_500),
        firstByte: nil,
        total: .seconds(3661) + .nanoseconds(42_999),
        reason: .halfCloseTimeout,
        initiator: .proxy
    )

    private func line(_ format: String) throws -> String { try AccessLogFormat(parsing: format).line(record) }

    @Test("the text format has all fields in order, with a dash for missing values")
    func text() throws {
        #expect(
            try line("text")
                == "2026-01-31T23:59:59.250Z 1.7 192.0.2.1:50000 web servers db\\u{01}\"1 2 5 1000000 0.000000 0.001500 - "
                + "3661.000042 half_close_timeout proxy"
        )
        #expect(AccessLogFormat.text == (try AccessLogFormat(parsing: "text")))
    }

    @Test("the JSON format has the same fields on one line, with numbers as numbers")
    func json() throws {
        #expect(
            try line("json")
                == #"{"time":"2026-01-31T23:59:59.250Z","id":"1.7","client":"192.0.2.1:50000","listener":"web","#
                + #""pool":"servers","server":"db\u0001\"1","attempts":2,"bytes_upstream":5,"bytes_downstream":1000000,"#
                + #""queue_seconds":0.000000,"connect_seconds":0.001500,"first_byte_seconds":null,"#
                + #""total_seconds":3661.000042,"reason":"half_close_timeout","initiator":"proxy","tls_version":null,"#
                + #""tls_cipher":null,"tls_alpn":null,"sni":null,"client_subject":null,"client_fingerprint":null,"#
                + #""server_tls_version":null,"server_tls_cipher":null}"#
        )
    }

    @Test("fields of TLS cannot add a field, end a quoted one or forge a line")
    func tls() throws {
        var info = TLSConnectionInfo(version: .v13, cipher: "TLS_AES_128_GCM_SHA256")
        info.serverName = "a b\"c\n\\"
        info.certificate = .init(
            subject: HostileCertificate.subject,
            commonName: nil,
            fingerprint: HostileCertificate.fingerprint,
            isVerified: true
        )
        var record = record
        record.clientTLS = info
        record.serverTLS = TLSConnectionInfo(version: .v12, cipher: "ECDHE-RSA-AES128-GCM-SHA256")
        let own = try AccessLogFormat(parsing: "{tls_version} {sni} {tls_alpn} {client_subject} {server_tls_version}")
        #expect(
            own.line(record)
                == #"TLSv1.3 a\20b\22c\n\ - CN=\C3\A9\,\20\22x\22\20CN=admin\0Ay,O=Ex\20ample TLSv1.2"#
        )
        // A space or a quotation mark with a combining mark is one character, but not one byte.
        record.clientTLS?.serverName = "x \u{301}y\"\u{301}"
        #expect(try AccessLogFormat(parsing: "{sni}").line(record) == "x\\20\u{301}y\\22\u{301}")
        record.clientTLS?.serverName = ""
        #expect(try AccessLogFormat(parsing: "{sni}").line(record) == "-")
        record.clientTLS = info
        let json = AccessLogFormat.json.line(record)
        #expect(
            json.contains(#""sni":"a b\"c\n\\","client_subject":"CN=\\C3\\A9\\, \\\"x\\\" CN=admin\\0Ay,O=Ex ample","#)
        )
        #expect(
            json.contains(#""client_fingerprint":"\#(HostileCertificate.fingerprint)","server_tls_version":"TLSv1.2""#)
        )
    }

    @Test("a custom format places fields as written and unescapes doubled braces")
    func own() throws {
        #expect(try line("{{{client}}}\t{bytes_upstream}+{bytes_upstream}") == "{192.0.2.1:50000}\t5+5")
        #expect(try line("{first_byte_seconds}") == "-")
        #expect("\(try AccessLogFormat(parsing: "{initiator} x"))" == "{initiator} x")
    }

    @Test(
        "an invalid format is an error that names the field and the valid ones",
        arguments: [
            ("{clint} x", "unknown field {clint}; fields are {time}, {id}, {client},"),
            ("{}", "unknown field {}"), ("{client", "unmatched {"), ("client}", "unmatched }"),
            ("client", "no field"), ("", "no field"), ("{client}\n", "control character"),
            (String(repeating: "{initiator}", count: 1025), "at most 4096 bytes"),
        ]
    )
    func mistakes(format: String, reported: String) {
        #expect { try AccessLogFormat(parsing: format) } throws: { "\($0)".contains(reported) }
    }
}
