import LoadBalancer
import Sockets
import Support
import TLS
import Testing

/// Checks over TLS of servers scripted by the test.
@Suite("Health checks over TLS", .needsTLS, .ownThreads, .timeLimit(.minutes(2)))
struct HealthCheckTLSTests {
    private let certificate: TLSCertificate
    private let server: TLSContext
    private let client: TLSContext

    private static let name = "example.com"

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: Self.name, isAddress: false)
        var settings = TLSServerSettings(certificates: [certificate])
        settings.parameters.protocols = ["h2", "http/1.1"]
        server = try TLSContext(server: settings)
        client = try TLSContext(client: TLSClientSettings(verification: .authorities(certificate.chain)))
    }

    /// Returns the result of a check of a server that accepts one connection, runs its script and closes.
    private func checkResult(
        _ check: HealthCheckKind,
        _ context: TLSContext? = nil,
        name: String = HealthCheckTLSTests.name,
        preamble: [UInt8] = [],
        timeout: Duration = patience,
        _ play: (TestSocket) throws -> Void
    ) async throws -> Result<Duration, HealthCheckFailure> {
        let listener = try TestListener()
        let tls = StreamTLS(context ?? client, name: name)
        async let result = HealthCheckRun.run(
            check,
            at: address(of: listener),
            timeout: timeout,
            preamble: preamble,
            tls: tls
        )
        let socket = try listener.accept()
        try play(socket)
        socket.close()
        return await result
    }

    private func secure(_ socket: TestSocket, _ context: TLSContext? = nil) throws -> TLSPeer {
        let peer = try TLSPeer.server(socket, context ?? server)
        try #require(try peer.handshake() == .done, "\(TLSFailure(code: peer.session.failure))")
        return peer
    }

    // MARK: Passing checks

    @Test("a tcp check completes the handshake and ends it with close_notify")
    func tcp() async throws {
        let result = try await checkResult(.tcp) { socket in
            let rest = try secure(socket).receiveRest()
            #expect(rest.bytes == [])
            #expect(rest.end == .closed)
        }
        #expect(isUp(result), "\(result)")
    }

    @Test("an http check is sent encrypted, and offers http/1.1")
    func http() async throws {
        let result = try await checkResult(.http(HTTPHealthCheck(path: "/health"))) { socket in
            let peer = try secure(socket)
            #expect(peer.session.applicationProtocol == "http/1.1")
            let request = Array("GET /health HTTP/1.1\r\n".utf8)
            #expect(try peer.receive(exactly: request.count) == request)
            try peer.send(Array("HTTP/1.1 204 No Content\r\n\r\n".utf8))
            try peer.end()
        }
        #expect(isUp(result), "\(result)")
    }

    @Test("the requests of several steps are sent encrypted")
    func steps() async throws {
        let check = HealthCheckKind.sendExpect([
            .init(send: [], expect: Array("220 ".utf8)),
            .init(send: Array("EHLO monkey\r\n".utf8), expect: Array("250 ".utf8)),
        ])
        let result = try await checkResult(check) { socket in
            let peer = try secure(socket)
            try peer.send(Array("220 mail\r\n".utf8))
            #expect(try peer.receive(exactly: 13) == Array("EHLO monkey\r\n".utf8))
            try peer.send(Array("250 mail\r\n".utf8))
        }
        #expect(isUp(result), "\(result)")
    }

    @Test("a preamble precedes the handshake")
    func preamble() async throws {
        let header = Array("PROXY UNKNOWN\r\n".utf8)
        let result = try await checkResult(.redis, preamble: header) { socket in
            #expect(try socket.receive(exactly: header.count) == header)
            let peer = try secure(socket)
            #expect(try peer.receive(exactly: 14) == Array("*1\r\n$4\r\nPING\r\n".utf8))
            try peer.send(Array("+PONG\r\n".utf8))
        }
        #expect(isUp(result), "\(result)")
    }

    @Test("the certificate of the pool is sent to a server that requires one")
    func clientCertificate() async throws {
        let identity = try TLSCertificate.selfSigned(name: "client.example", isAddress: false)
        var settings = TLSServerSettings(certificates: [certificate])
        settings.clients = .init(authorities: identity.chain, areRequired: true)
        let strict = try TLSContext(server: settings)
        var clientSettings = TLSClientSettings(verification: .authorities(certificate.chain))
        clientSettings.certificate = identity
        let known = try TLSContext(client: clientSettings)
        let result = try await checkResult(.redis, known) { socket in
            let peer = try secure(socket, strict)
            _ = try peer.receive(exactly: 14)
            try peer.send(Array("+PONG\r\n".utf8))
        }
        #expect(isUp(result), "\(result)")
    }

    @Test("sessions are not resumed, so that the certificate is verified each time")
    func noResumption() async throws {
        for _ in 0..<2 {
            let result = try await checkResult(.redis) { socket in
                let peer = try secure(socket)
                #expect(!peer.session.isResumed)
                _ = try peer.receive(exactly: 14)
                try peer.send(Array("+PONG\r\n".utf8))
            }
            #expect(isUp(result), "\(result)")
        }
    }

    // MARK: Failures

    /// Returns the description of the failure of a check whose server has a certificate.
    private func failure(
        of certificate: TLSCertificate,
        trusting authority: TLSCertificate? = nil,
        name: String = HealthCheckTLSTests.name
    ) async throws -> String {
        let context = try TLSContext(server: TLSServerSettings(certificates: [certificate]))
        let settings = TLSClientSettings(verification: .authorities((authority ?? certificate).chain))
        let result = try await checkResult(.tcp, try TLSContext(client: settings), name: name) { socket in
            let peer = try TLSPeer.server(socket, context)
            _ = try peer.handshake()
        }
        guard case .failure(let failure) = result else { return "passed" }
        return "\(failure)"
    }

    @Test("a certificate that cannot be verified fails the check, with the cause in words")
    func verification() async throws {
        let expired = try TLSCertificate.selfSigned(name: Self.name, isAddress: false, days: -1)
        #expect(try await failure(of: expired) == "TLS with example.com failed: certificate has expired")
        let other = try TLSCertificate.selfSigned(name: "example.org", isAddress: false)
        #expect(
            try await failure(of: other) == "TLS with example.com failed: certificate is not valid for the name"
        )
        #expect(
            try await failure(of: other, name: "127.0.0.1")
                == "TLS with 127.0.0.1 failed: certificate is not valid for the address"
        )
        let unknown = try await failure(of: certificate, trusting: other)
        #expect(unknown.hasPrefix("TLS with example.com failed: "), "\(unknown)")
        #expect(unknown.contains("certificate"), "\(unknown)")
    }

    @Test("a server that does not speak TLS, closes or is silent fails the check")
    func noTLS() async throws {
        let plain = try await checkResult(.tcp) { socket in
            try socket.send("220 mail.example ESMTP\r\n")
            // Until the client closes: closing before its bytes are received would reset the connection.
            _ = try? socket.receiveRest()
        }
        guard case .failure(.tls(_, name: Self.name)) = plain else {
            Issue.record("the result is \(plain)")
            return
        }
        let closed = try await checkResult(.tcp) { socket in
            try socket.finish()
            _ = try? socket.receiveRest()
        }
        #expect(closed == .failure(.closedInHandshake))
        let limit = Duration.seconds(2)
        let silent = try await checkResult(.tcp, timeout: limit) { _ = try $0.receiveRest() }
        #expect(silent == .failure(.timedOut(.handshake, after: limit)))
        #expect(
            "\(HealthCheckFailure.timedOut(.handshake, after: limit))" == "connected, but no TLS handshake within 2 s"
        )
    }

    @Test("without a context, a check fails")
    func noContext() async throws {
        let listener = try TestListener()
        let tls = StreamTLS(nil, name: Self.name)
        let result = await HealthCheckRun.run(.tcp, at: address(of: listener), timeout: patience, tls: tls)
        #expect(result == .failure(.tls(cause: "TLS cannot be prepared", name: Self.name)))
    }

    // MARK: STARTTLS

    private static let sslRequest: [UInt8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F]

    @Test("a PostgreSQL session starts with a request for TLS")
    func postgres() async throws {
        let result = try await checkResult(.postgres(user: "monkey")) { socket in
            #expect(try socket.receive(exactly: 8) == Self.sslRequest)
            try socket.send("S")
            let peer = try secure(socket)
            let length = try peer.receive(exactly: 4)
            let startup = try peer.receive(exactly: Int(length[3]) - 4)
            #expect(startup.starts(with: [0, 3, 0, 0] + Array("user\0monkey\0".utf8)))
            try peer.send(postgresMessage("R", [0, 0, 0, 0]))
            let rest = try peer.receiveRest()
            #expect(rest.bytes == [UInt8(ascii: "X"), 0, 0, 0, 4])
            #expect(rest.end == .closed)
        }
        #expect(isUp(result), "\(result)")
    }

    @Test("a PostgreSQL server that refuses TLS, or sends bytes before it, is down")
    func postgresFailures() async throws {
        let refused = try await checkResult(.postgres(user: "monkey")) { socket in
            _ = try socket.receive(exactly: 8)
            try socket.send("N")
        }
        #expect(refused == .failure(.noTLS))
        #expect("\(HealthCheckFailure.noTLS)" == "the server does not support TLS")
        let injected = try await checkResult(.postgres(user: "monkey")) { socket in
            _ = try socket.receive(exactly: 8)
            try socket.send([UInt8(ascii: "S")] + postgresMessage("R", [0, 0, 0, 0]))
        }
        guard case .failure(.unexpectedAnswer) = injected else {
            Issue.record("the result is \(injected)")
            return
        }
    }

    /// A greeting of protocol 10 with a salt, the capabilities and no authentication method.
    private func mysqlGreeting(capabilities: UInt16) -> [UInt8] {
        var payload: [UInt8] = [10] + Array("8.0.36\0".utf8) + [1, 0, 0, 0] + [UInt8](repeating: 7, count: 8) + [0]
        payload += [UInt8(capabilities & 0xFF), UInt8(capabilities >> 8), 45, 2, 0, 0, 0, 21]
        payload += [UInt8](repeating: 0, count: 10)
        return [UInt8(payload.count), 0, 0, 0] + payload
    }

    @Test("a MySQL session requests TLS after the greeting")
    func mysql() async throws {
        let result = try await checkResult(.mysql(user: "monkey")) { socket in
            try socket.send(mysqlGreeting(capabilities: 0xFFFF))
            let request = try socket.receive(exactly: 36)
            #expect(request[..<4] == [32, 0, 0, 1])
            #expect(request[5] & 0x08 == 0x08)
            let peer = try secure(socket)
            let header = try peer.receive(exactly: 4)
            #expect(header[3] == 2)
            let response = try peer.receive(exactly: Int(header[0]))
            #expect(response[..<32] == request[4...])
            #expect(Array(response[32...]) == Array("monkey\0\0mysql_native_password\0".utf8))
            try peer.send([7, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0])
            #expect(try peer.receive(exactly: 5) == [1, 0, 0, 0, 1])
        }
        #expect(isUp(result), "\(result)")
    }

    @Test("a MySQL server that does not offer TLS is down")
    func mysqlWithoutTLS() async throws {
        let result = try await checkResult(.mysql(user: "monkey")) { socket in
            try socket.send(mysqlGreeting(capabilities: 0xF7FF))
        }
        #expect(result == .failure(.noTLS))
    }
}
