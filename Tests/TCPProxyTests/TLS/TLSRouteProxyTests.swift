import Sockets
import Support
import TCPProxy
import TLS
import Testing

/// Routes that pass and routes that decrypt, and the requests of the PostgreSQL protocol, on real sockets with real TLS.
@Suite("Proxy with routes for TLS", .needsTLS, .ownThreads, .timeLimit(.minutes(2)))
struct TLSRouteProxyTests {
    private let ours: TLSCertificate
    private let theirs: TLSCertificate
    private let client: TLSContext
    private let server: TLSContext

    init() throws {
        ours = try TLSCertificate.selfSigned(name: "ours.example", isAddress: false)
        theirs = try TLSCertificate.selfSigned(name: "theirs.example", isAddress: false)
        let both = PEMText(name: "both", bytes: ours.chain.bytes + theirs.chain.bytes)
        client = try TLSContext(client: TLSClientSettings(verification: .authorities(both)))
        server = try TLSContext(server: TLSServerSettings(certificates: [theirs]))
    }

    private static let tlsRequest: [UInt8] = [0, 0, 0, 8, 4, 210, 22, 47]

    /// Runs a proxy that decrypts for one server, and passes `theirs.example` to another one.
    private func withProxy(
        configure: (inout ListenerConfiguration, inout PoolConfiguration) -> Void = { _, _ in },
        _ body: (Proxy, _ plain: TestListener, _ secure: TestListener) async throws -> Void
    ) async throws {
        let (plain, secure) = (try TestListener(), try TestListener())
        var listener = ListenerConfiguration(
            address: .socket(SocketAddress("127.0.0.1:0")),
            pool: "plain"
        )
        listener.tls = ListenerTLS(certificates: [ours, theirs])
        listener.sniPatterns = [
            SNIRoute(names: [try SNIPattern(parsing: "theirs.example")], pool: "secure", tls: .pass),
            SNIRoute(names: [try SNIPattern(parsing: "other.example")], pool: "plain", certificate: theirs),
        ]
        var pools = [
            PoolConfiguration(name: "plain", policy: .roundRobin, servers: [Self.server(at: plain)]),
            PoolConfiguration(name: "secure", policy: .roundRobin, servers: [Self.server(at: secure)]),
        ]
        configure(&listener, &pools[0])
        var configuration = ProxyConfiguration()
        configuration.threads = 1
        let proxy = try await Proxy.bind(listeners: [listener], pools: pools, configuration: configuration)
        try await proxy.whileRunning { try await body(proxy, plain, secure) }
    }

    private static func server(at listener: TestListener) -> ServerConfiguration {
        ServerConfiguration(name: "\(listener.address)", address: SocketAddress(listener.address.description))
    }

    @Test("a passed name ends at the server's certificate, another one at the listener's")
    func actions() async throws {
        try await withProxy { proxy, plain, secure in
            let passed = try TLSPeer.client(.connect(to: proxy.testAddress), client, name: "theirs.example")
            async let accepted: TLSPeer = {
                let peer = try TLSPeer.server(secure.accept(), server)
                #expect(try peer.handshake() == .done)
                return peer
            }()
            #expect(try passed.handshake() == .done)
            try passed.send([1, 2, 3])
            #expect(try await accepted.receive(exactly: 3) == [1, 2, 3])
            let decrypted = try TLSPeer.client(.connect(to: proxy.testAddress), client, name: "ours.example")
            #expect(try decrypted.handshake() == .done)
            try decrypted.send([4])
            #expect(try plain.accept().receive(exactly: 1) == [4])
            #expect(proxy.snapshot().fullHandshakes == 1)
        }
    }

    @Test("a route can name a certificate that does not have the name")
    func certificate() async throws {
        try await withProxy(
            configure: { listener, _ in listener.tls?.refusesUnknownNames = true }
        ) { proxy, plain, _ in
            let trusting = try TLSContext(client: TLSClientSettings(verification: .off))
            let named = try TLSPeer.client(.connect(to: proxy.testAddress), trusting, name: "other.example")
            #expect(try named.handshake() == .done)
            try named.send([5])
            #expect(try plain.accept().receive(exactly: 1) == [5])
            // The certificate is that of another name, which a client that verifies finds.
            let verifying = try TLSPeer.client(.connect(to: proxy.testAddress), client, name: "other.example")
            #expect(try verifying.handshake() == .failed)
        }
    }

    @Test("a certificate of a route must be one of the listener's")
    func unknownCertificate() async throws {
        let other = try TLSCertificate.selfSigned(name: "other.example", isAddress: false)
        await #expect(throws: ProxyError.self) {
            try await withProxy(configure: { listener, _ in listener.sniPatterns[1].certificate = other }) { _, _, _ in
            }
        }
    }

    // MARK: PostgreSQL

    @Test("a PostgreSQL client requests TLS, or starts it with the ALPN protocol", arguments: [true, false])
    func postgres(requests: Bool) async throws {
        try await withProxy(configure: { listener, _ in listener.connectionProtocol = .postgres }) { proxy, plain, _ in
            var settings = TLSClientSettings(verification: .authorities(ours.chain))
            settings.parameters.protocols = ["postgresql"]
            let socket = try TestSocket.connect(to: proxy.testAddress)
            if requests {
                try socket.send(Self.tlsRequest)
                try socket.receive("S")
            }
            let peer = try TLSPeer.client(socket, TLSContext(client: settings), name: "ours.example")
            #expect(try peer.handshake() == .done)
            try peer.send([6])
            #expect(try plain.accept().receive(exactly: 1) == [6])
        }
    }

    @Test("a passed PostgreSQL client ends at the server's certificate, after a request to the server")
    func passedPostgres() async throws {
        try await withProxy(configure: { listener, _ in listener.connectionProtocol = .postgres }) { proxy, _, secure in
            let socket = try TestSocket.connect(to: proxy.testAddress)
            try socket.send(Self.tlsRequest)
            try socket.receive("S")
            async let accepted: TLSPeer = {
                let socket = try secure.accept()
                #expect(try socket.receive(exactly: 8) == Self.tlsRequest)
                try socket.send("S")
                let peer = try TLSPeer.server(socket, server)
                #expect(try peer.handshake() == .done)
                return peer
            }()
            let peer = try TLSPeer.client(socket, client, name: "theirs.example")
            #expect(try peer.handshake() == .done)
            try peer.send([7])
            #expect(try await accepted.receive(exactly: 1) == [7])
        }
    }

    @Test("a pool with TLS requests it from PostgreSQL servers; one that refuses is a failed attempt")
    func pool() async throws {
        try await withProxy(
            configure: { listener, pool in
                listener.tls = nil
                listener.sniPatterns = []
                listener.connectionProtocol = .postgres
                pool.connectionProtocol = .postgres
                pool.tls = PoolTLS(verification: .authorities(theirs.chain), serverName: "theirs.example")
            }
        ) { proxy, plain, _ in
            let startup: [UInt8] = [0, 0, 0, 8, 0, 3, 0, 0]
            let socket = try TestSocket.connect(to: proxy.testAddress)
            try socket.send(Self.tlsRequest)
            try socket.receive("N")
            try socket.send(startup)
            let accepted = try plain.accept()
            #expect(try accepted.receive(exactly: 8) == Self.tlsRequest)
            try accepted.send("S")
            let peer = try TLSPeer.server(accepted, server)
            #expect(try peer.handshake() == .done)
            #expect(try peer.receive(exactly: 8) == startup)
            let refused = try TestSocket.connect(to: proxy.testAddress)
            try refused.send(startup)
            let other = try plain.accept()
            #expect(try other.receive(exactly: 8) == Self.tlsRequest)
            try other.send("N")
            #expect(try refused.receiveRest().end == .reset)
            #expect(proxy.snapshot().connectFailures[.tls] == 1)
        }
    }
}
