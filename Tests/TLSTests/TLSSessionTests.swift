import Support
import Testing

@testable import TLS

/// Two sessions that exchange bytes in memory.
struct Pair {
    let client: TLSSession
    let server: TLSSession
    /// Bytes on the way to each side.
    var toClient: [UInt8] = []
    var toServer: [UInt8] = []

    init(_ clientContext: TLSContext, _ serverContext: TLSContext, name: String, resumption: TLSServer? = nil) throws {
        let peer = resumption ?? TLSServer(name)
        client = try #require(TLSSession.connect(clientContext, to: peer))
        server = try #require(TLSSession.accept(serverContext))
    }

    /// Calls a function of one side with its input, and moves its output to the other side.
    mutating func onClient<R>(_ body: (TLSSession, inout TransformBuffers) -> R) -> R {
        let session = client
        return step(&toClient, &toServer) { body(session, &$0) }
    }

    mutating func onServer<R>(_ body: (TLSSession, inout TransformBuffers) -> R) -> R {
        let session = server
        return step(&toServer, &toClient) { body(session, &$0) }
    }

    private func step<R>(_ input: inout [UInt8], _ output: inout [UInt8], _ body: (inout TransformBuffers) -> R) -> R {
        var room = [UInt8](repeating: 0, count: 64 * 1024)
        var consumed = 0
        let result = input.withUnsafeBytes { input in
            room.withUnsafeMutableBytes { room in
                var buffers = TransformBuffers(input: input, output: room)
                let result = body(&buffers)
                consumed = input.count - buffers.input.count
                output += room[..<buffers.outputCount]
                return result
            }
        }
        input.removeFirst(consumed)
        return result
    }

    /// Alternates between the sides until both have finished or one has failed.
    mutating func shakeHands() -> (client: TransformResult, server: TransformResult) {
        var results = (client: TransformResult.needsInput, server: TransformResult.needsInput)
        for _ in 0..<10 {
            results.client = onClient { $0.handshake(&$1) }
            results.server = onServer { $0.handshake(&$1) }
            if results.client == .done, results.server == .done { break }
            if results.client == .failed || results.server == .failed { break }
        }
        return results
    }

    func release() {
        client.release()
        server.release()
    }
}

func decode(_ session: TLSSession, _ buffers: inout TransformBuffers) -> (TransformResult, [UInt8]) {
    var room = [UInt8](repeating: 0, count: 32 * 1024)
    var count = 0
    let result = room.withUnsafeMutableBytes { session.decode(&buffers, into: $0, count: &count) }
    return (result, Array(room[..<count]))
}

@Suite("TLS sessions in memory", .needsTLS)
struct TLSSessionTests {
    private let certificate: TLSCertificate
    private let server: TLSContext
    private let client: TLSContext

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
        var settings = TLSServerSettings(certificates: [certificate])
        settings.parameters.protocols = ["h2", "http/1.1"]
        server = try TLSContext(server: settings)
        var clientSettings = TLSClientSettings(verification: .authorities(certificate.chain))
        clientSettings.parameters.protocols = ["http/1.1"]
        client = try TLSContext(client: clientSettings)
    }

    @Test("a handshake agrees on TLS 1.3 and an application protocol")
    func handshake() throws {
        var pair = try Pair(client, server, name: "example.com")
        defer { pair.release() }
        let results = pair.shakeHands()
        #expect(results == (.done, .done), "\(TLSFailure(code: pair.client.failure))")
        #expect(pair.server.version == .v13)
        #expect(pair.server.applicationProtocol == "http/1.1")
        #expect(pair.server.cipher.hasPrefix("TLS_"))
        #expect(!pair.server.isResumed)
    }

    @Test("plaintext arrives unchanged, and the end is reported after it", arguments: [1, 1000, 16_384])
    func plaintext(size: Int) throws {
        var pair = try Pair(client, server, name: "example.com")
        defer { pair.release() }
        _ = pair.shakeHands()
        let sent = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        var taken = 0
        let encoded = pair.onClient { session, buffers in
            sent.withUnsafeBytes { session.encode($0, &buffers, count: &taken) }
        }
        #expect(encoded == .done)
        #expect(taken == size)
        #expect(pair.onClient { $0.end(&$1) } == .done)
        let (result, received) = pair.onServer { decode($0, &$1) }
        #expect(result == .done)
        #expect(received == sent)
        #expect(pair.onServer { decode($0, &$1) }.0 == .closed)
    }

    @Test("an end of the input without close_notify is reported as truncated")
    func truncated() throws {
        var pair = try Pair(client, server, name: "example.com")
        defer { pair.release() }
        _ = pair.shakeHands()
        pair.server.inputEnded()
        #expect(pair.onServer { decode($0, &$1) }.0 == .truncated)
    }

    @Test("the second connection resumes the session of the first")
    func resumption() throws {
        let peer = TLSServer("example.com")
        var first = try Pair(client, server, name: "example.com", resumption: peer)
        _ = first.shakeHands()
        // The tickets precede the first bytes of the server.
        var count = 0
        _ = first.onServer { session, buffers in
            [UInt8](repeating: 7, count: 1).withUnsafeBytes { session.encode($0, &buffers, count: &count) }
        }
        #expect(first.onClient { decode($0, &$1) }.1 == [7])
        first.release()
        var second = try Pair(client, server, name: "example.com", resumption: peer)
        defer { second.release() }
        #expect(second.shakeHands() == (.done, .done))
        #expect(second.server.isResumed)
    }

    @Test("a session outlives the server whose sessions it keeps")
    func lifetime() throws {
        // The pair's server is freed when its sessions have started.
        var pair = try Pair(client, server, name: "example.com")
        defer { pair.release() }
        _ = pair.shakeHands()
        var count = 0
        _ = pair.onServer { session, buffers in
            [UInt8](repeating: 7, count: 1).withUnsafeBytes { session.encode($0, &buffers, count: &count) }
        }
        #expect(pair.onClient { decode($0, &$1) }.1 == [7])
    }

    @Test("a certificate for another name is refused, and the server learns it by an alert")
    func otherName() throws {
        var pair = try Pair(client, server, name: "example.org")
        defer { pair.release() }
        #expect(pair.shakeHands().client == .failed)
        #expect(TLSFailure(code: pair.client.failure).description.contains("not valid for the name"))
        #expect(pair.onServer { $0.handshake(&$1) } == .failed)
        #expect(TLSFailure(code: pair.server.failure).description.contains("alert"))
    }

    @Test("both sides describe the connection after the handshake, and not before")
    func connectionInfo() throws {
        var pair = try Pair(client, server, name: "example.com")
        defer { pair.release() }
        #expect(pair.client.connectionInfo == nil)
        #expect(pair.server.connectionInfo == nil)
        _ = pair.shakeHands()
        let info = try #require(pair.server.connectionInfo)
        #expect(info.version == .v13)
        #expect(info.applicationProtocol == "http/1.1")
        #expect(info.serverName == "example.com")
        #expect(info.certificate == nil)
        let certificate = try #require(pair.client.connectionInfo?.certificate)
        #expect(certificate.subject == "CN=example.com")
        #expect(certificate.commonName == "example.com")
        #expect(certificate.fingerprint.wholeMatch(of: /[0-9a-f]{64}/) != nil)
        #expect(certificate.isVerified)
    }

    @Test("a record that is not TLS fails the handshake with a cause")
    func garbage() throws {
        var pair = try Pair(client, server, name: "example.com")
        defer { pair.release() }
        pair.toServer = Array("GET / HTTP/1.1\r\n\r\n".utf8)
        #expect(pair.onServer { $0.handshake(&$1) } == .failed)
        #expect(TLSFailure(code: pair.server.failure).description == "http request")
    }

    @Test("a key of another certificate is an error that names the file")
    func mismatch() throws {
        let other = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
        let mixed = TLSCertificate(chain: certificate.chain, key: other.key)
        let error = #expect(throws: TLSError.self) { try TLSContext(server: TLSServerSettings(certificates: [mixed])) }
        #expect(error == .certificate("self-signed", "the private key does not belong to the certificate"))
    }

    @Test(
        "unknown names of cipher suites and groups are errors, also beside known ones",
        arguments: [
            ("NONSENSE", "P-256"), ("ECDHE-RSA-AES128-GCM-SHA256:NONSENSE", "P-256"),
            ("ECDHE-RSA-AES128-GCM-SHA256", "X25519:NONSENSE"),
        ]
    )
    func unknownNames(ciphers: String, groups: String) throws {
        var settings = TLSServerSettings(certificates: [certificate])
        settings.parameters.ciphers = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"
        settings.parameters.groups = "X25519:P-256"
        _ = try TLSContext(server: settings)
        settings.parameters.ciphers = ciphers
        settings.parameters.groups = groups
        #expect(throws: TLSError.self) { try TLSContext(server: settings) }
    }

    @Test("a certificate states its names and its validity")
    func info() throws {
        let info = try CertificateInfo(certificate.chain)
        #expect(info.names == ["example.com"])
        #expect(info.notAfter - info.notBefore == Int64(TLSCertificate.selfSignedDays) * 86_400 + 300)
        #expect(info.algorithm == "EC")
        let address = try TLSCertificate.selfSigned(name: "127.0.0.1", isAddress: true)
        #expect(try CertificateInfo(address.chain).names == ["127.0.0.1"])
    }
}
