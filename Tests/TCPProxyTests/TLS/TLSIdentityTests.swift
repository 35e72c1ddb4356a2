import Support
import TLS
import Testing

@testable import TCPProxy

/// Descriptions of TLS connections in lists of connections, access log records and PROXY protocol headers.
@Suite("Descriptions of TLS connections", .needsTLS, .ownThreads, .timeLimit(.minutes(2)))
struct TLSIdentityTests {
    private let certificate: TLSCertificate

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
    }

    private func clientContext(_ identity: TLSCertificate? = nil) throws -> TLSContext {
        var settings = TLSClientSettings(verification: .authorities(certificate.chain))
        settings.certificate = identity
        settings.parameters.protocols = ["http/1.1"]
        return try TLSContext(client: settings)
    }

    /// Runs a proxy that decrypts, accepts certificates of an authority, and sends version 2 headers.
    private func withProxy(
        to listener: TestListener,
        trusting authority: TLSCertificate,
        server: PoolTLS? = nil,
        proxies: TrustedProxies? = nil,
        _ body: (Proxy) async throws -> Void
    ) async throws {
        var settings = ListenerConfiguration(address: .socket(SocketAddress("127.0.0.1:0")))
        settings.tls = ListenerTLS(certificates: [certificate])
        settings.tls?.clients = .init(authorities: authority.chain, areRequired: false)
        settings.tls?.parameters.protocols = ["h2", "http/1.1"]
        settings.accessPolicy.proxies = proxies
        var configuration = ProxyConfiguration()
        configuration.threads = 1
        configuration.recordsConnections = true
        let proxy = try await Proxy.bind(
            settings,
            to: .socket(SocketAddress(listener.address.description)),
            proxyProtocol: .v2,
            tls: server,
            configuration: configuration
        )
        try await proxy.whileRunning { try await body(proxy) }
    }

    /// Returns the fields behind the IPv4 addresses of a header.
    private func fields(_ socket: TestSocket) throws -> [UInt8] {
        let start = try socket.receive(exactly: 16)
        #expect(Array(start.prefix(14)) == ProxyProtocolHeader.signature + [0x21, 0x11])
        let rest = try socket.receive(exactly: Int(start[14]) << 8 | Int(start[15]))
        return Array(rest[12...])
    }

    private func field(_ type: UInt8, _ value: [UInt8]) -> [UInt8] { [type, 0, UInt8(value.count)] + value }
    private func field(_ type: UInt8, _ text: String) -> [UInt8] { field(type, Array(text.utf8)) }

    private let ours = [UInt8](arrayLiteral: 0x01, 0, 8) + Array("http/1.1".utf8)

    @Test("the list, the record and the header describe both sides, whatever the subject of the client is")
    func everywhere() async throws {
        let listener = try TestListener()
        let server = PoolTLS(verification: .authorities(certificate.chain), serverName: "example.com")
        let serverContext = try TLSContext(server: TLSServerSettings(certificates: [certificate]))
        let hostile = HostileCertificate.certificate
        try await withProxy(to: listener, trusting: hostile, server: server) { proxy in
            let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), clientContext(hostile))
            #expect(try peer.handshake() == .done)
            let socket = try listener.accept()
            let cipher = peer.session.cipher
            #expect(cipher.hasPrefix("TLS_"))
            // A common name with a line feed is left out.
            let tls = [7, 0, 0, 0, 0] + field(0x21, "TLSv1.3") + field(0x23, cipher)
            #expect(try fields(socket) == ours + field(0x02, "example.com") + field(0x20, tls))
            let upstream = try TLSPeer.server(socket, serverContext)
            #expect(try upstream.handshake() == .done)
            try peer.send([1])
            #expect(try upstream.receive(exactly: 1) == [1])

            let listed = try #require(await proxy.connections(limit: 10).connections.first)
            let info = try #require(listed.clientTLS)
            #expect(info.version == .v13)
            #expect(info.cipher == cipher)
            #expect(info.applicationProtocol == "http/1.1")
            #expect(info.serverName == "example.com")
            #expect(!info.isResumed)
            #expect(info.certificate?.subject == HostileCertificate.subject)
            #expect(info.certificate?.commonName == HostileCertificate.commonName)
            #expect(info.certificate?.fingerprint == HostileCertificate.fingerprint)
            #expect(info.certificate?.isVerified == true)
            #expect(listed.serverTLS?.version == .v13)
            #expect(listed.serverTLS?.certificate?.subject == "CN=example.com")

            try peer.end()
            peer.socket.close()
            try upstream.end()
            socket.close()
            var records: [AccessRecord] = []
            try await eventually("the record") {
                records += proxy.takeAccessRecords()
                return !records.isEmpty
            }
            #expect(records.first?.clientTLS == info)
            #expect(records.first?.serverTLS == listed.serverTLS)
        }
    }

    @Test("the header has the name of a verified client, also of one that resumes its session")
    func resumed() async throws {
        let listener = try TestListener()
        let identity = try TLSCertificate.selfSigned(name: "client.example", isAddress: false)
        let context = try clientContext(identity)
        let target = TLSServer("example.com")
        try await withProxy(to: listener, trusting: identity) { proxy in
            for flags: UInt8 in [7, 5] {
                let peer = try TLSPeer.client(TestSocket.connect(to: proxy.testAddress), context, resumption: target)
                #expect(try peer.handshake() == .done)
                let socket = try listener.accept()
                let tls =
                    [flags, 0, 0, 0, 0] + field(0x21, "TLSv1.3") + field(0x22, "client.example")
                    + field(0x23, peer.session.cipher)
                #expect(try fields(socket) == ours + field(0x02, "example.com") + field(0x20, tls))
                // The session arrives before the first byte.
                try socket.send("x")
                #expect(try peer.receive(exactly: 1) == [UInt8(ascii: "x")])
                let listed = try #require(await proxy.connections(limit: 10).connections.last?.clientTLS)
                #expect(listed.isResumed == (flags == 5))
                #expect(listed.certificate?.subject == "CN=client.example")
            }
        }
    }

    @Test("a client without a certificate has none, and received fields take precedence")
    func receivedFields() async throws {
        let listener = try TestListener()
        let proxies = TrustedProxies(header: .required, networks: [try CIDRBlock(parsing: "127.0.0.0/8")])
        try await withProxy(to: listener, trusting: certificate, proxies: proxies) { proxy in
            let received = field(0xE0, [1, 2]) + field(0x02, "front.example")
            let socket = try TestSocket.connect(to: proxy.testAddress)
            try socket.send(try binaryHeader(fields: received))
            let peer = try TLSPeer.client(socket, clientContext())
            #expect(try peer.handshake() == .done)
            let tls = [1, 0, 0, 0, 1] + field(0x21, "TLSv1.3") + field(0x23, peer.session.cipher)
            #expect(try fields(listener.accept()) == received + ours + field(0x20, tls))
            #expect(await proxy.connections(limit: 10).connections.first?.clientTLS?.certificate == nil)
        }
    }

    @Test("values that are too long or not printable are left out, and all fields if the header would exceed its limit")
    func limits() {
        var info = TLSConnectionInfo(version: .v12, cipher: "ECDHE-RSA-AES128-GCM-SHA256")
        let tls = [1, 0, 0, 0, 1] + field(0x21, "TLSv1.2") + field(0x23, info.cipher)
        func written(besides received: [UInt8] = []) -> [UInt8] {
            received.withUnsafeBytes { TypeLengthValues.fields(of: info, besides: $0) }
        }
        #expect(written() == field(0x20, tls))
        info.serverName = String(repeating: "a", count: 255)
        #expect(written() == field(0x02, info.serverName!) + field(0x20, tls))
        for name in [String(repeating: "a", count: 256), "a\nb", "a\u{85}b", ""] {
            info.serverName = name
            #expect(written() == field(0x20, tls), "\(name.debugDescription)")
        }
        info.serverName = nil
        let size = field(0x20, tls).count
        let long =
            [0xE0] + [UInt8((TypeLengthValues.maxLength - size - 3) >> 8)]
            + [UInt8((TypeLengthValues.maxLength - size - 3) & 0xFF)]
            + [UInt8](repeating: 7, count: TypeLengthValues.maxLength - size - 3)
        #expect(written(besides: long) == field(0x20, tls))
        #expect(written(besides: long + field(0xE1, [])) == [])
    }
}
