import FakeSystem
import Sockets
import Support
import TLS
import Testing

@testable import TCPProxy

/// The fake transform of a connection that the listener decrypts inverts its bytes.
@Suite("PostgreSQL clients", .needsTLS)
struct PostgresClientTests {
    private typealias Messages = PostgresMessages

    private let certificate: TLSCertificate

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "db.example.com", isAddress: false)
    }

    private func listener(
        _ configure: @escaping (inout SingleListenerSettings) -> Void = { _ in }
    ) -> (inout SingleListenerSettings) -> Void {
        { [certificate] settings in
            settings.listener.tls = ListenerTLS(certificates: [certificate])
            settings.listener.connectionProtocol = .postgres
            configure(&settings)
        }
    }

    private func routes() throws -> [SNIRoute] {
        [
            SNIRoute(names: [try SNIPattern(parsing: "db.example.com")], pool: "db"),
            SNIRoute(names: [try SNIPattern(parsing: "plain.example.com")], pool: "plain"),
        ]
    }

    private func inverted(_ bytes: [UInt8]) -> [UInt8] { bytes.map { ~$0 } }

    private let hello = MadeHello.browser("db.example.com").bytes

    @Test("a request for TLS is accepted, and the ClientHello that follows is decrypted", arguments: [1, 3, 1000])
    func accepted(segment: Int) throws {
        try withProxy(configure: listener()) { proxy in
            let client = proxy.connect()
            for bytes in Messages.tlsRequest.chunks(of: segment) {
                #expect(client.received == [])
                client.send(bytes)
                proxy.settle()
            }
            #expect(client.text == "S")
            for bytes in hello.chunks(of: segment) {
                client.send(bytes)
                proxy.settle()
            }
            let server = try #require(proxy.server.connections.first)
            #expect(server.received == inverted(hello))
            server.send([1, 2])
            proxy.settle()
            #expect(client.received.dropFirst() == [~1, ~2])
        }
    }

    @Test("a request for GSSAPI encryption is refused, and another request may follow")
    func gssapi() throws {
        try withProxy(configure: listener()) { proxy in
            let client = proxy.connect()
            client.send(Messages.gssapiRequest)
            proxy.settle()
            #expect(client.text == "N")
            client.send(Messages.tlsRequest)
            proxy.settle()
            #expect(client.text == "NS")
            client.send(hello)
            proxy.settle()
            #expect(proxy.server.connections.map(\.received) == [inverted(hello)])
        }
    }

    @Test("an answer that the client's socket does not accept is sent later, once")
    func blockedAnswer() throws {
        try withProxy(configure: listener()) { proxy in
            let client = proxy.connect()
            client.window = 0
            client.send(Messages.tlsRequest)
            proxy.advance(by: .seconds(1))
            #expect(client.received == [])
            client.window = nil
            proxy.settle()
            #expect(client.text == "S")
            client.send(hello)
            proxy.settle()
            #expect(client.text == "S")
            #expect(proxy.server.connections.map(\.received) == [inverted(hello)])
        }
    }

    @Test(
        "bytes that cannot begin a connection, or come before an answer, are denied and counted",
        arguments: [
            ([Array("GET / HTTP/1.1\r\n".utf8)], ""), ([[0, 0, 0, 8, 0, 0, 0, 0]], ""),
            ([PostgresMessages.tlsRequest + [1]], ""),
            ([PostgresMessages.tlsRequest + PostgresMessages.startup], ""),
            ([PostgresMessages.gssapiRequest + PostgresMessages.tlsRequest], ""),
            ([PostgresMessages.gssapiRequest, PostgresMessages.gssapiRequest], "N"),
            ([PostgresMessages.tlsRequest, PostgresMessages.tlsRequest], "S"),
            ([PostgresMessages.tlsRequest, PostgresMessages.startup], "S"),
            ([PostgresMessages.tlsRequest, Array("GET /".utf8)], "S"), ([PostgresMessages.tlsRequest, [22, 2]], "S"),
        ] as [([[UInt8]], String)]
    )
    func denied(segments: [[UInt8]], answer: String) throws {
        try withProxy(
            names: routes(),
            plainPool: 2,
            configure: listener()
        ) { proxy in
            let client = proxy.connect()
            for segment in segments {
                client.send(segment)
                proxy.settle()
            }
            #expect(client.text == answer)
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.denied == [.postgresRequest: 1])
            #expect(proxy.servers.allSatisfy { $0.attempts == 0 })
        }
    }

    @Test("a ClientHello that is sent together with the request for it is denied")
    func earlyHello() throws {
        try withProxy(configure: listener()) { proxy in
            let client = proxy.connect()
            client.send(Messages.tlsRequest + hello)
            proxy.settle()
            #expect(client.received == [])
            #expect(proxy.denied == [.postgresRequest: 1])
        }
    }

    @Test("a client without TLS gets an error, after its whole message has been received")
    func withoutTLS() throws {
        try withProxy(configure: listener()) { proxy in
            let client = proxy.connect()
            client.send(Array(Messages.startup.dropLast()))
            proxy.settle()
            #expect(client.received == [])
            client.send([0])
            proxy.settle()
            #expect(client.received == PostgresRequest.tlsRequired)
            #expect(client.end == .fin)
            #expect(proxy.denied == [.clientHello: 1])
            #expect(proxy.server.attempts == 0)
        }
    }

    @Test("with a plain pool, clients without TLS and cancel requests go there", arguments: [true, false])
    func plain(requestsFirst: Bool) throws {
        try withProxy(names: routes(), plainPool: 2, configure: listener()) { proxy in
            for message in [Messages.startup, Messages.cancel] {
                let client = proxy.connect()
                if requestsFirst {
                    client.send(Messages.gssapiRequest)
                    proxy.settle()
                }
                client.send(message)
                proxy.settle()
            }
            #expect(proxy.servers[2].connections.map(\.received) == [Messages.startup, Messages.cancel])
        }
    }

    @Test("without a plain pool, cancel requests go to the default pool")
    func cancel() throws {
        try withProxy(names: routes(), configure: listener()) { proxy in
            let client = proxy.connect()
            for byte in Messages.cancel {
                client.send([byte])
                proxy.settle()
            }
            let server = try #require(proxy.server.connections.first)
            #expect(server.received == Messages.cancel)
            server.close()
            proxy.settle()
            #expect(client.end == .fin)
        }
    }

    @Test("TLS without a request must offer the protocol, and is otherwise refused with an alert")
    func direct() throws {
        try withProxy(names: routes(), configure: listener()) { proxy in
            let direct = Messages.directHello().bytes
            proxy.connect().send(direct)
            let other = proxy.connect()
            other.send(hello)
            proxy.settle()
            #expect(proxy.servers[1].connections.map(\.received) == [inverted(direct)])
            #expect(other.received == [21, 3, 3, 0, 2, 2, 120])
            #expect(other.end == .fin)
            #expect(proxy.denied == [.postgresRequest: 1])
        }
    }

    @Test("a client that is silent, also after an answer, is denied after the timeout and never sent to the plain pool")
    func silent() throws {
        try withProxy(names: routes(), plainPool: 2, configure: listener()) { proxy in
            let silent = proxy.connect()
            let answered = proxy.connect()
            answered.send(Messages.tlsRequest)
            let ended = proxy.connect()
            ended.send(Messages.tlsRequest)
            proxy.settle()
            ended.finish()
            proxy.settle()
            #expect(proxy.denied == [.prereadEnded: 1])
            proxy.advance(by: .seconds(6))
            #expect(silent.end == .failed(.connectionReset))
            #expect(answered.end == .failed(.connectionReset))
            #expect(proxy.denied == [.prereadEnded: 1, .prereadTimeout: 2])
            #expect(proxy.servers.allSatisfy { $0.attempts == 0 })
        }
    }

    @Test("an accepted PROXY header precedes the request", arguments: [1, 1000])
    func proxyHeader(segment: Int) throws {
        try withProxy(
            pool: { $0.proxyProtocol = .v1 },
            configure: listener(trusting(.required))
        ) { proxy in
            let client = proxy.connect(from: trustedProxy)
            for bytes in (Array(headerLine.utf8) + Messages.tlsRequest).chunks(of: segment) {
                client.send(bytes)
                proxy.settle()
            }
            #expect(client.text == "S")
            client.send(hello)
            proxy.settle()
            #expect(proxy.server.connections.map(\.received) == [Array(headerLine.utf8) + inverted(hello)])
        }
    }

    // MARK: Listeners without TLS

    @Test("without TLS on either side, the server answers requests itself")
    func relayed() throws {
        let messages = [Messages.tlsRequest, Messages.gssapiRequest, Messages.startup, Messages.cancel, hello]
        try withProxy(configure: { $0.listener.connectionProtocol = .postgres }) { proxy in
            for message in messages { proxy.connect().send(message) }
            let malformed = proxy.connect()
            malformed.send("HELO\r\n")
            proxy.settle()
            #expect(proxy.server.connections.map(\.received) == messages)
            #expect(malformed.end == .failed(.connectionReset))
            #expect(proxy.denied == [.postgresRequest: 1])
        }
    }

    @Test("a listener without TLS before a pool with TLS refuses requests, as the encryption begins at the proxy")
    func encryptedPool() throws {
        try withProxy(
            pool: { $0.tls = PoolTLS(verification: .off) },
            configure: { $0.listener.connectionProtocol = .postgres }
        ) { proxy in
            let client = proxy.connect()
            client.send(Messages.gssapiRequest)
            proxy.settle()
            client.send(Messages.tlsRequest)
            proxy.settle()
            #expect(client.text == "NN")
            client.send(Messages.startup)
            proxy.settle()
            #expect(proxy.server.connections.map(\.received) == [inverted(Messages.startup)])
        }
    }
}

extension [UInt8] {
    /// Splits the bytes.
    func chunks(of size: Int) -> [[UInt8]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}
