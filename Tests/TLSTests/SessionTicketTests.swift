import Support
import Testing

@testable import TLS

@Suite("Session tickets", .needsTLS)
struct SessionTicketTests {
    private let certificate: TLSCertificate
    private let client: TLSContext

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
        client = try TLSContext(client: TLSClientSettings(verification: .authorities(certificate.chain)))
    }

    private func server(
        _ keys: SessionTicketKeys?,
        _ change: (inout TLSServerSettings) -> Void = { _ in }
    ) throws -> TLSContext {
        var settings = TLSServerSettings(certificates: [certificate])
        settings.ticketKeys = keys
        change(&settings)
        return try TLSContext(server: settings)
    }

    /// Connects, and returns whether a session was resumed. The client keeps the new one.
    private func resumes(_ peer: TLSServer, on server: TLSContext, client other: TLSContext? = nil) throws -> Bool {
        var pair = try Pair(other ?? client, server, name: "example.com", resumption: peer)
        defer { pair.release() }
        #expect(pair.shakeHands() == (.done, .done))
        // The tickets precede the first bytes of the server.
        var count = 0
        _ = pair.onServer { session, buffers in
            [UInt8](repeating: 7, count: 1).withUnsafeBytes { session.encode($0, &buffers, count: &count) }
        }
        #expect(pair.onClient { decode($0, &$1) }.1 == [7])
        return pair.server.isResumed
    }

    private func secret(_ bytes: [UInt8]) -> SecretBytes {
        var bytes = bytes
        return SecretBytes(name: "keys", moving: &bytes)
    }

    private static func key(_ number: UInt8, size: Int = 80) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: $0) &* 3 &+ number }
    }

    @Test("sessions are resumed by another context that has copied the keys")
    func copies() throws {
        let keys = try SessionTicketKeys(rotation: .seconds(3600))
        let peer = TLSServer("example.com")
        #expect(try !resumes(peer, on: server(keys)))
        let others = try SessionTicketKeys(rotation: .seconds(3600))
        #expect(try !resumes(TLSServer("example.com"), on: server(others)))
        others.copy(keys)
        #expect(try resumes(peer, on: server(others)))
    }

    @Test("a key decrypts for one period after it has been replaced")
    func rotation() throws {
        let keys = try SessionTicketKeys(rotation: .seconds(3600))
        let server = try server(keys)
        let (peer, late) = (TLSServer("example.com"), TLSServer("example.com"))
        _ = try resumes(peer, on: server)
        _ = try resumes(late, on: server)
        keys.advance(by: .seconds(3600))
        #expect(try resumes(peer, on: server))
        keys.advance(by: .seconds(2 * 3600))
        // Its ticket has been replaced by one of the second key, that of the other by none.
        #expect(try resumes(peer, on: server))
        #expect(try !resumes(late, on: server))
    }

    @Test("a key is kept without rotation, and replaced after two periods without a connection")
    func periods() throws {
        let kept = try SessionTicketKeys(rotation: nil)
        let peer = TLSServer("example.com")
        _ = try resumes(peer, on: server(kept))
        kept.advance(by: .seconds(1_000_000))
        #expect(try resumes(peer, on: server(kept)))
        let replaced = try SessionTicketKeys(rotation: .seconds(3600))
        _ = try resumes(peer, on: server(replaced))
        replaced.advance(by: .seconds(7201))
        #expect(try !resumes(peer, on: server(replaced)))
    }

    @Test("servers with the same keys resume each other's sessions", arguments: [48, 80])
    func shared(size: Int) throws {
        let peer = TLSServer("example.com")
        let first = try server(SessionTicketKeys(secret(Self.key(1, size: size))))
        let second = try server(SessionTicketKeys(secret(Self.key(1, size: size))))
        #expect(try !resumes(peer, on: first))
        #expect(try resumes(peer, on: second))
        #expect(try !resumes(peer, on: server(SessionTicketKeys(secret(Self.key(2, size: size))))))
    }

    @Test("the first key encrypts, and the others decrypt")
    func order() throws {
        let peer = TLSServer("example.com")
        let (old, new) = (Self.key(1), Self.key(2))
        _ = try resumes(peer, on: server(SessionTicketKeys(secret(old))))
        #expect(try resumes(peer, on: server(SessionTicketKeys(secret(new + old)))))
        #expect(try resumes(peer, on: server(SessionTicketKeys(secret(new)))))
    }

    @Test("files of another size are errors", arguments: [0, 1, 47, 49, 79, 81, 96, 17 * 80])
    func sizes(size: Int) throws {
        #expect(throws: TLSError.ticketKeys("keys")) {
            try SessionTicketKeys(secret([UInt8](repeating: 1, count: size)))
        }
    }

    @Test("without tickets no session is resumed")
    func off() throws {
        let peer = TLSServer("example.com")
        let server = try server(nil) { $0.sendsTickets = false }
        #expect(try !resumes(peer, on: server))
        #expect(try !resumes(peer, on: server))
    }

    @Test("a session that began without a client certificate is not resumed where one is required")
    func scope() throws {
        let keys = try SessionTicketKeys(rotation: nil)
        let peer = TLSServer("example.com")
        let open = try server(keys)
        let closed = try server(keys) {
            $0.clients = TLSServerSettings.ClientVerification(authorities: certificate.chain, areRequired: true)
        }
        var settings = TLSClientSettings(verification: .authorities(certificate.chain))
        settings.certificate = certificate
        let known = try TLSContext(client: settings)
        _ = try resumes(peer, on: open, client: known)
        #expect(try resumes(peer, on: open, client: known))
        #expect(try !resumes(peer, on: closed, client: known))
        #expect(try resumes(peer, on: closed, client: known))
    }
}

@Suite("Secret bytes")
struct SecretBytesTests {
    @Test("moving overwrites the array, and no description shows the bytes")
    func hidden() {
        var bytes = Array("hidden".utf8)
        let secret = SecretBytes(name: "key.pem", moving: &bytes)
        #expect(bytes.isEmpty)
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), dumped] {
            #expect(!text.contains("hidden"))
            #expect(!text.contains("104"), "the first byte is in \(text)")
        }
        #expect(secret.withUnsafeBytes { Array($0) } == Array("hidden".utf8))
    }

    @Test("secrets are equal if their names and bytes are")
    func equality() {
        func secret(_ name: String, _ text: String) -> SecretBytes {
            var bytes = Array(text.utf8)
            return SecretBytes(name: name, moving: &bytes)
        }
        #expect(secret("a", "x") == secret("a", "x"))
        #expect(secret("a", "x") != secret("b", "x"))
        #expect(secret("a", "x") != secret("a", "y"))
        #expect(secret("a", "") == secret("a", ""))
        #expect(Set([secret("a", "x"), secret("a", "x")]).count == 1)
    }
}
