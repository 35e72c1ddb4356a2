import Support
import TCPProxy
import Testing

@testable import LoadBalancer

/// Which TLS clients a listener decrypts: the values of the keys, and the errors for those that contradict each other.
@Suite("Pass-through and termination in the configuration file", .needsTLS)
struct TLSRoutesTests {
    private static let tls = "tls: {certificates: [{certificate: a.pem, key: a.key}, {certificate: b.pem, key: b.key}]}"

    /// Returns a file with one listener that has these keys, and the pools `p`, `web` and, with TLS, `secure`.
    private func file(_ keys: String) -> [UInt8] {
        let lines = keys.split(separator: "\n").map { "    \($0)\n" }.joined()
        return Array(
            """
            listeners:
              front:
                listen: ":443"
                pool: p
            \(lines)  other: {listen: ":80", pool: web, sni: {a.test: secure}, plain: p}
            pools:
              p: {servers: ["10.0.0.1:443"]}
              web: {servers: ["10.0.0.2:443"]}
              secure: {servers: ["10.0.0.3:443"], tls: {verify: off}}

            """.utf8
        )
    }

    private func context() throws -> ConfigurationFile.Context {
        var context = ConfigurationFile.Context()
        let certificates = [
            "a": try TLSCertificate.selfSigned(name: "a.test", isAddress: false),
            "b": try TLSCertificate.selfSigned(name: "b.test", isAddress: false),
        ]
        context.readPEM = { path in
            let certificate = certificates[String(path.prefix { $0 != "." })]!
            return path.hasSuffix(".key") ? certificate.key.withUnsafeBytes { Array($0) } : certificate.chain.bytes
        }
        return context
    }

    private func listener(_ keys: String) throws -> ListenerConfiguration {
        let file = try ConfigurationFile(parsing: file(keys), in: context())
        return try #require(file.listenerConfigurations.first)
    }

    /// The messages that concern the listener `front`.
    private func messages(_ keys: String) throws -> [String] {
        try LoadBalancerTests.messages(file(keys), in: context()).filter { $0.contains("front") }
    }

    @Test("a route is the name of a pool, or a mapping with the action and the certificate")
    func keys() throws {
        let listener = try listener(
            """
            \(Self.tls)
            sni:
              a.test: web
              b.test: {pool: web, tls: pass}
              c.test: {pool: web, tls: terminate, certificate: b.pem}
            alpn:
              h2: {pool: web, tls: pass}
            """
        )
        #expect(listener.sniPatterns.map(\.tls) == [.terminate, .pass, .terminate])
        #expect(listener.sniPatterns.map(\.pool) == ["web", "web", "web"])
        #expect(listener.sniPatterns.map { $0.certificate?.chain.name } == [nil, nil, "b.pem"])
        #expect(listener.alpnProtocols.map(\.tls) == [.pass])
        #expect(listener.tls?.unrouted == .terminate)
    }

    @Test(
        "a contradiction is reported with its fix",
        arguments: [
            (
                "sni: {a.test: {pool: web, tls: terminate}}",
                "5:36: error: listeners.front.sni.a.test.tls: the listener has no certificates: "
                    + "add tls to the listener, or remove this key"
            ),
            (
                "sni: {a.test: {pool: web, tls: pass}}",
                "5:36: warning: listeners.front.sni.a.test.tls: no effect without tls of the listener, "
                    + "which passes all clients: remove this key"
            ),
            (
                "alpn: {h2: {pool: web, certificate: a.pem}}",
                "5:41: error: listeners.front.alpn.h2.certificate: the listener has no certificate 'a.pem': "
                    + "add tls to the listener"
            ),
            (
                "\(tls)\nsni: {a.test: {pool: web, certificate: c.pem}}",
                "6:44: error: listeners.front.sni.a.test.certificate: the listener has no certificate 'c.pem': "
                    + "did you mean a.pem?"
            ),
            (
                "\(tls)\nsni: {a.test: {pool: web, tls: pass, certificate: a.pem}}",
                "6:55: error: listeners.front.sni.a.test.certificate: no effect with tls: pass: "
                    + "remove one of the two keys"
            ),
            (
                "\(tls)\nsni: {a.test: {pool: secure, tls: pass}}",
                "6:19: warning: listeners.front.sni.a.test: pool secure has tls, so its servers get TLS within TLS: "
                    + "remove tls of the pool, or use another pool"
            ),
            (
                "\(tls)\nsni: {a.test: {pool: nowhere, tls: pass}}",
                "6:26: error: listeners.front.sni.a.test: unknown pool 'nowhere': must be p, web or secure"
            ),
            (
                "protocol: postgres",
                "5:15: warning: listeners.front.protocol: no effect without tls, sni or alpn of the listener, or tls of its "
                    + "pool: add one, or remove this key"
            ),
            (
                "\(tls)\nsni: {a.test: {tls: pass}}",
                "6:19: error: listeners.front.sni.a.test: missing key pool: add pool: NAME"
            ),
            (
                "tls: {certificates: [{certificate: a.pem, key: a.key}], unrouted: pass}\n"
                    + "sni: {a.test: {pool: web, tls: pass}}",
                "5:71: warning: listeners.front.tls.unrouted: no client is decrypted, because no route terminates TLS: "
                    + "add one to sni or alpn, or remove tls"
            ),
        ]
    )
    func contradictions(keys: String, message: String) throws {
        #expect(try messages(keys) == [message])
    }

    @Test("the protocol of a listener and of a pool sets their settings")
    func protocols() throws {
        #expect(try listener("protocol: postgres\nsni: {a.test: web}").connectionProtocol == .postgres)
        #expect(try listener("sni: {a.test: web}").connectionProtocol == .tcp)
        let text = String(decoding: file("tls: {certificates: [{certificate: a.pem, key: a.key}]}"), as: UTF8.self)
            .replacing("tls: {verify: off}", with: "tls: {verify: off}, protocol: postgres")
        let pools = try ConfigurationFile(parsing: Array(text.utf8), in: context()).pools
        #expect(pools.map { $0.configuration(servers: []).connectionProtocol } == [.tcp, .tcp, .postgres])
    }

    @Test("a valid combination has no message")
    func valid() throws {
        let keys = """
            tls: {certificates: [{certificate: a.pem, key: a.key}], unrouted: pass}
            sni: {a.test: {pool: secure}, b.test: {pool: web, tls: pass}}
            plain: web
            """
        #expect(try messages(keys) == [])
    }

    @Test("a changed action is a change of the listener")
    func difference() throws {
        let context = try context()
        let before = try ConfigurationFile(parsing: file("\(Self.tls)\nsni: {a.test: web}"), in: context)
        let after = try ConfigurationFile(
            parsing: file("\(Self.tls)\nsni: {a.test: {pool: web, tls: pass}}"),
            in: context
        )
        #expect(ConfigurationDifference(from: before, to: after).listeners == ["front": ["sni"]])
    }
}
