import Support
import TLS
import Testing

@testable import TCPProxy

/// Settings of TLS that change which connections are accepted, resumed or reset.
@Suite("Settings of TLS", .needsTLS, .ownThreads, .timeLimit(.minutes(2)))
struct TLSSettingsTests {
    private let fixture: TLSFixture
    private var certificate: TLSCertificate { fixture.certificate }
    private var client: TLSContext { fixture.client }

    init() throws {
        fixture = try TLSFixture()
    }

    private func withTLSProxy<Value: Sendable>(
        to upstream: TestAddress,
        _ change: (inout ListenerTLS) -> Void = { _ in },
        _ body: (Proxy) async throws -> Value
    ) async throws -> Value {
        try await fixture.withProxy(to: upstream, configure: { change(&$0.listener.tls!) }, body)
    }

    /// Connects, and returns whether a session was resumed. The client keeps the new one.
    private func resumes(_ server: TLSServer, _ proxy: Proxy, _ listener: TestListener) throws -> Bool {
        let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), client, resumption: server)
        #expect(try peer.handshake() == .done)
        let accepted = try listener.accept()
        try accepted.send("x")
        #expect(try peer.receive(exactly: 1) == Array("x".utf8))
        return peer.session.isResumed
    }

    @Test("sessions are resumed after a change of the certificates, and not after tickets are switched off")
    func change() async throws {
        let listener = try TestListener()
        try await withTLSProxy(to: listener.address) { proxy in
            let server = TLSServer("example.com")
            #expect(try !resumes(server, proxy, listener))
            let name = proxy.listenerSnapshots()[0].name
            let other = try TLSCertificate.selfSigned(name: "example.org", isAddress: false)
            var tls = ListenerTLS(certificates: [certificate, other])
            _ = try await proxy.change(listenerTLS: [name: tls], poolTLS: [:])
            #expect(proxy.certificateSnapshots().map(\.info.names) == [["example.com"], ["example.org"]])
            #expect(try resumes(server, proxy, listener))
            tls.sessionTickets = .off
            _ = try await proxy.change(listenerTLS: [name: tls], poolTLS: [:])
            #expect(try !resumes(server, proxy, listener))
        }
    }

    @Test("a change of TLS keeps the servers, and ignores names that do not exist")
    func otherNames() async throws {
        let listener = try TestListener()
        try await withTLSProxy(to: listener.address) { proxy in
            let before = proxy.certificateSnapshots()
            let other = ListenerTLS(certificates: [try TLSCertificate.selfSigned(name: "b.test", isAddress: false)])
            let change = try await proxy.change(
                listenerTLS: ["other": other],
                poolTLS: ["other": PoolTLS(verification: .off)]
            )
            #expect(change.items.isEmpty)
            #expect(proxy.certificateSnapshots() == before)
            #expect(try !resumes(TLSServer("example.com"), proxy, listener))
        }
    }

    @Test("handshakes beyond the rate are denied before they begin")
    func handshakeRate() async throws {
        let listener = try TestListener()
        try await withTLSProxy(to: listener.address) { tls in
            tls.handshakeRate = try? TokenRate(parsing: "1/h,burst=2")
        } _: { proxy in
            for _ in 0..<2 { #expect(try !resumes(TLSServer("example.com"), proxy, listener)) }
            let denied = try TestSocket.connect(to: proxy.testAddress)
            #expect(try denied.receiveRest().end == .reset)
            #expect(proxy.snapshot().deniedConnections[.handshakeRate] == 1)
            #expect(proxy.snapshot().fullHandshakes == 2)
        }
    }

    @Test("an end without close_notify resets the server if close_notify is required", arguments: [true, false])
    func closeNotify(isRequired: Bool) async throws {
        let listener = try TestListener()
        try await withTLSProxy(to: listener.address) { tls in
            tls.requiresCloseNotify = isRequired
        } _: { proxy in
            let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), client)
            #expect(try peer.handshake() == .done)
            let server = try listener.accept()
            try peer.send(Array("question".utf8))
            try peer.socket.finish()
            #expect(try server.receiveRest() == .init(bytes: Array("question".utf8), end: isRequired ? .reset : .fin))
            if !isRequired { server.close() }
            try await eventually("the count") { proxy.snapshot().truncatedUpstream == 1 }
        }
    }

    @Test("an end without close_notify resets the client if the pool requires it", arguments: [true, false])
    func serverCloseNotify(isRequired: Bool) async throws {
        let listener = try TestListener()
        let server = try TLSContext(server: TLSServerSettings(certificates: [certificate]))
        var tls = PoolTLS(verification: .authorities(certificate.chain), serverName: "example.com")
        tls.requiresCloseNotify = isRequired
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
            let peer = try TLSPeer.server(listener.accept(), server)
            #expect(try peer.handshake() == .done)
            try peer.send(Array("answer".utf8))
            try peer.socket.finish()
            #expect(try client.receiveRest() == .init(bytes: Array("answer".utf8), end: isRequired ? .reset : .fin))
            client.close()
            try await eventually("the count") { proxy.snapshot().truncatedDownstream == 1 }
        }
    }

    @Test(
        "after a change of the verification, a session with a server is not resumed, and an untrusted server is refused"
    )
    func verificationAfterAChange() async throws {
        let listener = try TestListener()
        let server = try TLSContext(server: TLSServerSettings(certificates: [certificate]))
        var configuration = ProxyConfiguration()
        configuration.threads = 1
        let proxy = try await Proxy.bind(
            ListenerConfiguration(address: .socket(SocketAddress("127.0.0.1:0"))),
            to: .socket(SocketAddress(listener.address.description)),
            tls: PoolTLS(verification: .off, serverName: "example.com"),
            configuration: configuration
        )
        try await proxy.whileRunning {
            let client = try TestSocket.connect(to: proxy.testAddress)
            let peer = try TLSPeer.server(listener.accept(), server)
            #expect(try peer.handshake() == .done)
            // The ticket precedes the first bytes.
            try peer.send([1])
            #expect(try client.receive(exactly: 1) == [1])
            let stranger = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
            let verifying = PoolTLS(verification: .authorities(stranger.chain), serverName: "example.com")
            _ = try await proxy.change(listenerTLS: [:], poolTLS: [proxy.pools[0].name: verifying])
            let next = try TestSocket.connect(to: proxy.testAddress)
            let refused = try TLSPeer.server(listener.accept(), server)
            #expect(try refused.handshake() == .failed)
            #expect(try next.receiveRest().end == .reset)
        }
    }

    @Test("a client with a long certificate chain, which its tickets contain, gets the whole response")
    func longChain() async throws {
        let listener = try TestListener()
        var settings = TLSClientSettings(verification: .authorities(certificate.chain))
        var own = try TLSCertificate.selfSigned(name: "client.test", isAddress: false)
        let authority = own.chain
        own.chain.bytes = Array(repeating: authority.bytes, count: 40).flatMap(\.self)
        settings.certificate = own
        let context = try TLSContext(client: settings)
        try await withTLSProxy(to: listener.address) { tls in
            tls.clients = .init(authorities: authority, areRequired: true)
        } _: { proxy in
            let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), context)
            #expect(try peer.handshake() == .done)
            let server = try listener.accept()
            let response = [UInt8](repeating: 7, count: 40_000)
            try server.send(response)
            try server.finish()
            #expect(try peer.receiveRest() == (response, .closed))
        }
    }
}
