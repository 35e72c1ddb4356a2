import Foundation
import LoadBalancer
import Support
import TCPProxy
import TLS
import Testing

@Suite("TLS of a check in the file", .needsTLS)
struct CheckTLSSectionTests {
    /// Returns the check of a pool in a file beside `ca.pem`.
    private func check(_ tls: String, pool: String = "") async throws -> HealthCheck {
        let text = """
            listeners: {l: {listen: ":1", pool: p}}
            pools:
              p:
                servers: ["127.0.0.1:2"]
                \(pool)
                check: {type: tcp\(tls)}
            """
        let certificate = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
        return try await withScratchFolder { folder in
            try Data(certificate.chain.bytes).write(to: URL(fileURLWithPath: "\(folder)/ca.pem"))
            var context = ConfigurationFile.Context()
            context.folder = folder
            let file = try ConfigurationFile(parsing: Array(text.utf8), in: context)
            return try #require(file.pools[0].check.map(HealthCheck.init))
        }
    }

    @Test("a check uses TLS as its pool does, unless the file says otherwise")
    func words() async throws {
        #expect(try await check("").tls == nil)
        #expect(try await check(", tls: off", pool: "tls: {ca: ca.pem}").tls == .off)
        #expect(try await check(", tls: on", pool: "tls: {ca: ca.pem}").tls == .on)
    }

    @Test("a check can have settings of its own")
    func settings() async throws {
        let tls = try await check(", tls: {ca: ca.pem, server-name: example.com}").tls
        guard case .own(let settings) = tls else {
            Issue.record("the check has \(String(describing: tls))")
            return
        }
        #expect(settings.serverName == "example.com")
        guard case .authorities(let authorities) = settings.settings.verification else {
            Issue.record("the verification is \(settings.settings.verification)")
            return
        }
        #expect(authorities.name == "ca.pem")
    }

    @Test("settings that cannot be used are errors at their place")
    func errors() async {
        let missing = await #expect(throws: ConfigurationError.self) { try await check(", tls: {ca: other.pem}") }
        #expect("\(missing!)".contains("pools.p.check.tls: "), "\(missing!)")
        let contradiction = await #expect(throws: ConfigurationError.self) {
            try await check(", tls: {verify: off, ca: ca.pem}")
        }
        #expect("\(contradiction!)".contains("ca has an effect only with verify: ca"), "\(contradiction!)")
        let word = await #expect(throws: ConfigurationError.self) { try await check(", tls: yes") }
        #expect("\(word!)".contains("must be on or off"), "\(word!)")
    }
}
