import Support
import Testing

@testable import TLS

@Suite("Names of clients", .needsTLS)
struct ClientNameTests {
    /// Returns the cause of a failed handshake with a client whose certificate has a name; nil if it is accepted.
    private func failure(of name: String, allowing names: [String]) throws -> String? {
        let server = try TLSCertificate.selfSigned(name: "server.test", isAddress: false)
        let identity = try TLSCertificate.selfSigned(name: name, isAddress: false)
        var settings = TLSServerSettings(certificates: [server])
        settings.clients = TLSServerSettings.ClientVerification(authorities: identity.chain, areRequired: true)
        settings.clients?.names = names
        var clientSettings = TLSClientSettings(verification: .authorities(server.chain))
        clientSettings.certificate = identity
        var pair = try Pair(TLSContext(client: clientSettings), TLSContext(server: settings), name: "server.test")
        defer { pair.release() }
        guard pair.shakeHands().server == .failed else { return nil }
        // The client receives an alert.
        let (result, _) = pair.onClient { decode($0, &$1) }
        #expect(result == .failed)
        #expect(TLSFailure(code: pair.client.failure).description.contains("alert"))
        return TLSFailure(code: pair.server.failure).description
    }

    @Test(
        "a client with an allowed name is accepted",
        arguments: [
            ["billing.test"], ["BILLING.test"], ["*.test"], ["billing.*"], ["*"], ["other.test", "billing.test"], [],
        ]
    )
    func allowed(names: [String]) throws {
        #expect(try failure(of: "billing.test", allowing: names) == nil)
    }

    @Test(
        "a client without one is refused with an alert",
        arguments: [
            ["other.test"], ["illing.test"], ["billing.tes"], ["*.billing.test"], ["billing.test*"], ["*billing.test"],
        ]
    )
    func refused(names: [String]) throws {
        #expect(try failure(of: "billing.test", allowing: names) == "the certificate has none of the allowed names")
    }
}
