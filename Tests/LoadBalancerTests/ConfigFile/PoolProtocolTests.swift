import Support
import Testing

@testable import LoadBalancer

@Suite("Protocol of a pool and its check", .needsTLS)
struct PoolProtocolTests {
    @Test(
        "a check must begin TLS in the way that connections do",
        arguments: [
            ("protocol: postgres, check: {type: postgres}", nil),
            ("protocol: postgres, check: {type: tcp}", "error: pools.p.check: a check of type tcp begins with TLS"),
            ("protocol: postgres, check: {type: tcp, tls: off}", nil),
            ("protocol: postgres, check: {type: tcp, port: 8008}", nil),
            ("check: {type: postgres}", "warning: pools.p.check: the check requests TLS from the server"),
            ("check: {type: tcp}", nil),
        ] as [(String, String?)]
    )
    func checks(settings: String, expected: String?) {
        let text = """
            listeners: {a: {listen: ":80", pool: p}}
            pools: {p: {servers: ["10.0.0.1:5432"], tls: {verify: off}, \(settings)}}
            """
        let messages = messages(Array(text.utf8))
        #expect(messages.count == (expected == nil ? 0 : 1), "\(messages)")
        if let expected { #expect(messages.first?.contains(expected) == true, "\(messages)") }
    }
}
