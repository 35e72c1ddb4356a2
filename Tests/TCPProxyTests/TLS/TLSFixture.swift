import Support
import TLS

@testable import TCPProxy

/// A certificate in memory and a client that trusts it, for tests of a proxy that decrypts.
struct TLSFixture {
    let certificate: TLSCertificate
    let client: TLSContext

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
        client = try TLSContext(client: TLSClientSettings(verification: .authorities(certificate.chain)))
    }

    /// Runs a proxy that decrypts with the certificate.
    func withProxy<Value: Sendable>(
        to upstream: TestAddress,
        configure: (inout SingleListenerSettings) -> Void,
        _ body: (Proxy) async throws -> Value
    ) async throws -> Value {
        try await withRunningProxy(
            to: upstream,
            configure: {
                $0.listener.tls = ListenerTLS(certificates: [certificate])
                configure(&$0)
            },
            body
        )
    }
}
