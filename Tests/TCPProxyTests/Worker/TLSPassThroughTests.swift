import FakeSystem
import Sockets
import Support
import TLS
import Testing

@testable import TCPProxy

/// The fake transform of a connection that the listener decrypts inverts its bytes, so the ClientHello arrives inverted.
@Suite("TLS pass-through beside termination", .needsTLS)
struct TLSPassThroughTests {
    private let certificate: TLSCertificate

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "www.example.com", isAddress: false)
    }

    private func routes() throws -> [SNIRoute] {
        [
            SNIRoute(names: [try SNIPattern(parsing: "www.example.com")], pool: "www"),
            SNIRoute(names: [try SNIPattern(parsing: "*.example.com")], pool: "passed", tls: .pass),
        ]
    }

    private func listener(
        _ configure: @escaping (inout SingleListenerSettings) -> Void = { _ in }
    ) -> (inout SingleListenerSettings) -> Void {
        { [certificate] settings in
            settings.listener.tls = ListenerTLS(certificates: [certificate])
            configure(&settings)
        }
    }

    private func inverted(_ bytes: [UInt8]) -> [UInt8] { bytes.map { ~$0 } }

    @Test("a route that passes forwards the ClientHello unmodified; the others decrypt", arguments: TLSAction.allCases)
    func actions(unrouted: TLSAction) throws {
        try withProxy(names: routes(), configure: listener { $0.listener.tls?.unrouted = unrouted }) { proxy in
            let cases = [("www.example.com", 1, false), ("a.example.com", 2, true), ("b.org", 0, unrouted == .pass)]
            for (name, pool, passes) in cases {
                let sent = MadeHello.browser(name).bytes + [1, 2, 3]
                let client = proxy.connect()
                client.send(sent)
                proxy.settle()
                let server = try #require(proxy.servers[pool].connections.last, "\(name)")
                #expect(server.received == (passes ? sent : inverted(sent)), "\(name)")
                server.send([9])
                proxy.settle()
                #expect(client.received == (passes ? [9] : [~9]), "\(name)")
            }
            #expect(proxy.servers.map(\.connections.count) == [1, 1, 1])
            #expect(proxy[.handshakes(isResumed: false)] == (unrouted == .pass ? 1 : 2))
        }
    }

    @Test("a ClientHello that arrives in two parts is passed unmodified, wherever it is split")
    func split() throws {
        let hello = MadeHello.records(MadeHello.browser("a.example.com").message, of: 700)
        for position in stride(from: 1, to: hello.count, by: 97) {
            try withProxy(names: routes(), configure: listener()) { proxy in
                let client = proxy.connect()
                client.send(Array(hello[..<position]))
                proxy.settle()
                client.send(Array(hello[position...]))
                proxy.settle()
                #expect(proxy.servers[2].connections.map(\.received) == [hello], "split at \(position)")
            }
        }
    }

    @Test("clients without TLS go to the plain pool, beside routes that pass and routes that decrypt")
    func plain() throws {
        try withProxy(names: routes(), plainPool: 2, configure: listener()) { proxy in
            proxy.connect().send("SSH-2.0-client\r\n")
            proxy.connect().send(MadeHello.browser("www.example.com").bytes)
            proxy.settle()
            #expect(proxy.servers[2].connections.map(\.text) == ["SSH-2.0-client\r\n"])
            #expect(proxy.servers.map(\.connections.count) == [0, 1, 1])
        }
    }

    @Test("a passed name needs no certificate; another unknown one is refused with an alert")
    func unknownName() throws {
        try withProxy(
            names: routes(),
            configure: listener { $0.listener.tls?.refusesUnknownNames = true }
        ) { proxy in
            proxy.connect().send(MadeHello.browser("a.example.com").bytes)
            let unknown = proxy.connect()
            unknown.send(MadeHello.browser("example.org").bytes)
            proxy.settle()
            #expect(proxy.servers.map(\.connections.count) == [0, 0, 1])
            #expect(unknown.received == [21, 3, 3, 0, 2, 2, 112])
            #expect(proxy.denied == [.tlsName: 1])
        }
    }

    @Test("an accepted PROXY header is removed, and one for the server precedes the ClientHello")
    func proxyHeaders() throws {
        let hello = MadeHello.browser("example.org").bytes
        try withProxy(
            pool: { $0.proxyProtocol = .v1 },
            names: routes(),
            configure: listener(trusting(.required) { $0.listener.tls?.unrouted = .pass })
        ) { proxy in
            let client = proxy.connect(from: trustedProxy)
            client.send(Array(headerLine.utf8) + hello)
            proxy.settle()
            #expect(proxy.server.connections.map(\.received) == [Array(headerLine.utf8) + hello])
        }
    }

    @Test("a passed client waits for its ClientHello within the preread timeout, a decrypted one within both")
    func timeouts() throws {
        try withProxy(names: routes(), configure: listener { $0.timeouts.preread = .seconds(2) }) { proxy in
            let client = proxy.connect()
            client.send([22, 3])
            proxy.advance(by: .seconds(3))
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.denied == [.prereadTimeout: 1])
        }
    }
}
