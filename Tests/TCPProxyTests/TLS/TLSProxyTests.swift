import Glibc
import Support
import TCPProxy
import TLS
import Testing

/// TLS through a proxy, on real sockets.
@Suite("Proxy with TLS", .needsTLS, .ownThreads, .timeLimit(.minutes(2)))
struct TLSProxyTests {
    private let fixture: TLSFixture
    private var certificate: TLSCertificate { fixture.certificate }
    private var client: TLSContext { fixture.client }

    init() throws {
        fixture = try TLSFixture()
    }

    private func withTLSProxy<Value: Sendable>(
        to upstream: TestAddress,
        configure: (inout SingleListenerSettings) -> Void = { _ in },
        _ body: (Proxy) async throws -> Value
    ) async throws -> Value {
        try await fixture.withProxy(to: upstream, configure: configure, body)
    }

    @Test("plaintext is relayed both ways, and half-closes are passed on")
    func relays() async throws {
        let listener = try TestListener()
        try await withTLSProxy(to: listener.address) { proxy in
            let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), client)
            #expect(try peer.handshake() == .done)
            let server = try listener.accept()
            try peer.send(Array("question".utf8))
            try server.receive("question")
            try peer.end()
            #expect(try server.receiveRest() == .init(bytes: [], end: .fin))
            try server.send("answer")
            server.close()
            let rest = try peer.receiveRest()
            #expect(String(decoding: rest.bytes, as: UTF8.self) == "answer")
            #expect(rest.end == .closed)
            peer.socket.close()
            try await eventually("the connection's end") { proxy.snapshot().activeConnections == 0 }
            let snapshot = proxy.snapshot()
            #expect(snapshot.bytesUpstream == 8)
            #expect(snapshot.bytesDownstream == 6)
            #expect(snapshot.fullHandshakes == 1)
            #expect(snapshot.truncatedUpstream == 0)
        }
    }

    @Test("large amounts pass unaltered in both directions", arguments: [TLSVersion.v12, .v13])
    func bulk(minVersion: TLSVersion) async throws {
        let listener = try TestListener()
        let size = 8 << 20
        try await withTLSProxy(
            to: listener.address,
            configure: { $0.listener.tls?.parameters.minVersion = minVersion }
        ) { proxy in
            let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), client)
            #expect(try peer.handshake() == .done)
            let server = try listener.accept()
            let pattern = Pattern(seed: 7)
            async let sent: Void = {
                try server.send(pattern, count: size)
                try server.finish()
            }()
            let rest = try peer.receiveRest()
            try await sent
            #expect(rest.end == .closed)
            #expect(rest.bytes.count == size)
            try rest.bytes.withUnsafeBytes { try pattern.check($0, at: 0) }
            async let received = server.receiveRest(limit: size)
            try peer.send(rest.bytes)
            try peer.end()
            let upstream = try await received
            #expect(upstream.bytes == rest.bytes)
        }
    }

    @Test("an end without close_notify is passed on as an end and counted")
    func truncated() async throws {
        let listener = try TestListener()
        try await withTLSProxy(to: listener.address) { proxy in
            let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), client)
            #expect(try peer.handshake() == .done)
            let server = try listener.accept()
            try peer.send([1, 2, 3])
            try peer.socket.finish()
            #expect(try server.receiveRest() == .init(bytes: [1, 2, 3], end: .fin))
            server.close()
            #expect(try peer.receiveRest().end == .closed)
            try await eventually("the connection's end") { proxy.snapshot().activeConnections == 0 }
            #expect(proxy.snapshot().truncatedUpstream == 1)
        }
    }

    @Test("a client that does not speak TLS is closed, and no server is connected")
    func plain() async throws {
        let listener = try TestListener()
        try await withTLSProxy(to: listener.address) { proxy in
            let client = try TestSocket.connect(to: proxy.testAddress)
            try client.send("GET / HTTP/1.1\r\n\r\n")
            #expect(try client.receiveRest().end == .fin)
            try await eventually("the denial") { proxy.snapshot().deniedConnections[.tlsHandshake] == 1 }
            #expect(proxy.snapshot().connectTime.count == 0)
        }
    }

    @Test("a silent client is closed after the handshake timeout")
    func silent() async throws {
        let listener = try TestListener()
        try await withTLSProxy(
            to: listener.address,
            configure: { $0.listener.timeouts.handshake = .milliseconds(50) }
        ) { proxy in
            let client = try TestSocket.connect(to: proxy.testAddress)
            #expect(try client.receiveRest().bytes == [])
            #expect(proxy.snapshot().deniedConnections[.tlsTimeout] == 1)
        }
    }

    @Test("at the connection limit, silent clients make room for one that completes its handshake")
    func silentClientsMakeRoom() async throws {
        let listener = try TestListener()
        try await withTLSProxy(to: listener.address, configure: { $0.maxConnections = 2 }) { proxy in
            let silent = [try TestSocket.connect(to: proxy.testAddress), try TestSocket.connect(to: proxy.testAddress)]
            try await eventually("both connections") { proxy.snapshot().activeConnections == 2 }
            let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), client)
            #expect(try peer.handshake() == .done)
            try peer.send([5])
            #expect(try listener.accept().receive(exactly: 1) == [5])
            #expect(proxy.snapshot().deniedConnections[.prereadEvicted] == 1)
            for client in silent { client.close() }
        }
    }

    @Test("the SNI host name selects the certificate, and an unknown one is refused with an alert")
    func names() async throws {
        let listener = try TestListener()
        let other = try TLSCertificate.selfSigned(name: "*.example.org", isAddress: false)
        let otherClient = try TLSContext(client: TLSClientSettings(verification: .authorities(other.chain)))
        try await withTLSProxy(
            to: listener.address,
            configure: {
                $0.listener.tls?.certificates.append(other)
                $0.listener.tls?.refusesUnknownNames = true
            }
        ) { proxy in
            for (context, name) in [(client, "example.com"), (otherClient, "www.example.org")] {
                let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), context, name: name)
                #expect(try peer.handshake() == .done, "\(name): \(TLSFailure(code: peer.session.failure))")
                try peer.send([7])
                #expect(try listener.accept().receive(exactly: 1) == [7])
            }
            let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), client, name: "example.net")
            #expect(try peer.handshake() == .failed)
            #expect("\(TLSFailure(code: peer.session.failure))".contains("unrecognized name"))
            try await eventually("the count") { proxy.snapshot().deniedConnections[.tlsName] == 1 }
        }
    }

    @Test("a client without a certificate is refused if one is required; one of the authority is accepted")
    func clientCertificates() async throws {
        let listener = try TestListener()
        let identity = try TLSCertificate.selfSigned(name: "client.example", isAddress: false)
        try await withTLSProxy(
            to: listener.address,
            configure: {
                $0.listener.tls?.clients = .init(authorities: identity.chain, areRequired: true)
                $0.listener.tls?.parameters.minVersion = .v13
            }
        ) { proxy in
            let stranger = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), client)
            // Under TLS 1.3 the client learns of the refusal after its own handshake.
            _ = try stranger.handshake()
            #expect(try stranger.receiveRest().end == .failed)
            var settings = TLSClientSettings(verification: .authorities(certificate.chain))
            settings.certificate = identity
            let known = try TLSContext(client: settings)
            let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), known)
            #expect(try peer.handshake() == .done)
            try peer.send([9])
            #expect(try listener.accept().receive(exactly: 1) == [9])
            #expect(proxy.snapshot().deniedConnections[.tlsHandshake] == 1)
        }
    }

    @Test("sessions are resumed, also by another worker")
    func resumption() async throws {
        let listener = try TestListener()
        try await withTLSProxy(to: listener.address, configure: { $0.threads = 2 }) { proxy in
            let server = TLSServer("example.com")
            for number in 0..<8 {
                let socket = try TestSocket.connect(to: proxy.testAddress)
                let peer = try TLSPeer.client(socket, client, resumption: server)
                #expect(try peer.handshake() == .done)
                #expect(peer.session.isResumed == (number > 0))
                try peer.send([1])
                let accepted = try listener.accept()
                #expect(try accepted.receive(exactly: 1) == [1])
                try accepted.send("x")
                #expect(try peer.receive(exactly: 1) == Array("x".utf8))
            }
            #expect(proxy.snapshot().fullHandshakes == 1)
            #expect(proxy.snapshot().resumedHandshakes == 7)
        }
    }

    @Test(
        "the proxy encrypts to a server whose certificate has the name, and not to another",
        arguments: [true, false]
    )
    func upstream(hasName: Bool) async throws {
        let listener = try TestListener()
        let server = try TLSContext(server: TLSServerSettings(certificates: [certificate]))
        let tls = PoolTLS(
            verification: .authorities(certificate.chain),
            serverName: hasName ? "example.com" : "example.net"
        )
        var configuration = ProxyConfiguration()
        configuration.threads = 1
        let proxy = try await Proxy.bind(
            ListenerConfiguration(address: .socket(SocketAddress("127.0.0.1:0"))),
            to: .socket(SocketAddress(listener.address.description)),
            tls: tls,
            configuration: configuration
        )
        try await proxy.whileRunning {
            let client = try TestSocket.connect(to: proxy.testAddress)
            try client.send("question")
            let peer = try TLSPeer.server(listener.accept(), server)
            guard hasName else {
                #expect(try peer.handshake() == .failed)
                #expect(try client.receiveRest().end == .reset)
                #expect(proxy.snapshot().connectFailures[.tls] == 1)
                return
            }
            #expect(try peer.handshake() == .done)
            #expect(try peer.receive(exactly: 8) == Array("question".utf8))
            try peer.send(Array("answer".utf8))
            try peer.end()
            #expect(try client.receiveRest() == .init(bytes: Array("answer".utf8), end: .fin))
        }
    }

    @Test("a slow reader receives everything through TLS")
    func backpressure() async throws {
        let listener = try TestListener()
        let size = 4 << 20
        try await withTLSProxy(to: listener.address) { proxy in
            let socket = try TestSocket.connect(to: proxy.testAddress, receiveBuffer: 4096)
            let peer = try TLSPeer.client(socket, client)
            #expect(try peer.handshake() == .done)
            let server = try listener.accept()
            let pattern = Pattern(seed: 3)
            async let sent: Void = {
                try server.send(pattern, count: size)
                server.close()
            }()
            let rest = try peer.receiveRest()
            try await sent
            #expect(rest.end == .closed)
            #expect(rest.bytes.count == size)
            try rest.bytes.withUnsafeBytes { try pattern.check($0, at: 0) }
        }
    }
}
