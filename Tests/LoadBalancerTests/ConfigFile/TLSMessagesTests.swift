import Support
import TCPProxy
import Testing

@testable import LoadBalancer

@Suite("Messages about TLS in the file", .needsTLS)
struct TLSMessagesTests {
    private let certificate: TLSCertificate

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "a.test", isAddress: false)
    }

    /// The context of a folder with a certificate, a key, ticket keys, and three folders of certificates.
    private var context: ConfigurationFile.Context {
        var context = ConfigurationFile.Context()
        let certificate = certificate
        context.readPEM = { path in
            if path.hasSuffix(".tickets") { return [UInt8](repeating: 1, count: 81) }
            if path.hasSuffix(".ocsp") { return [1, 2, 3] }
            return path.hasSuffix(".key") ? certificate.key.withUnsafeBytes { Array($0) } : certificate.chain.bytes
        }
        context.list = { path in
            switch path {
            case "keyless": ["a.crt"]
            case "empty": ["README"]
            case "stapled": ["a.pem", "a.key", "a.ocsp"]
            default: nil
            }
        }
        return context
    }

    private func messages(_ tls: String) -> [String] {
        let text = """
            listeners:
              a: {listen: "127.0.0.1:8443", pool: p, tls: {\(tls)}}
            pools:
              p: {servers: ["127.0.0.1:1"]}
            """
        do {
            return try ConfigurationFile(parsing: Array(text.utf8), in: context).warningLines
        } catch {
            return error.lines
        }
    }

    @Test(
        "settings that contradict each other, and files that cannot be used, are errors",
        arguments: [
            (
                "certificates: [{certificate: a.pem, key: a.key}], session-tickets: off, session-ticket-keys: a.tickets",
                "session-ticket-keys has no effect with session-tickets: off: remove one of the two"
            ),
            (
                "certificates: [{certificate: a.pem, key: a.key}], session-ticket-keys: a.tickets",
                "cannot use session ticket keys a.tickets: must be 1 to 16 keys of 80 bytes, or one of 48: create one with "
                    + "openssl rand 80"
            ),
            (
                "certificates: [{certificate: a.pem, key: a.key}], client-names: [b]",
                "client-names has no effect without client-certificates: add client-certificates: required"
            ),
            ("certificates: keyless", "keyless/a.crt has no key: add keyless/a.key"),
            ("certificates: empty", "no certificates in empty: add NAME.pem with the chain and the key"),
            ("certificates: [a.pem]", "a.pem is not a folder: write {certificate: FILE, key: FILE}"),
        ]
    )
    func errors(tls: String, text: String) {
        #expect(messages(tls) == ["2:47: error: listeners.a.tls: \(text)"])
    }

    @Test("an OCSP response that cannot be sent, and a certificate that is not used, are warnings")
    func warnings() {
        #expect(
            messages("certificates: stapled") == [
                "2:47: warning: listeners.a.tls: OCSP response stapled/a.ocsp is not sent: it is not the successful response of "
                    + "an authority in DER: get one with openssl ocsp -respout FILE"
            ]
        )
        #expect(
            messages("certificates: [{certificate: a.pem, key: a.key}, {certificate: b.pem, key: b.key}]") == [
                "2:47: warning: listeners.a.tls: certificate b.pem is not used: a.pem has the same names and kind of key: remove "
                    + "one of the two"
            ]
        )
    }

    @Test("asterisks are accepted at the beginning and the end of a client's name only")
    func clientNames() {
        let lines = messages(
            "certificates: [{certificate: a.pem, key: a.key}], client-certificates: required, client-ca: a.pem, "
                + "client-names: [\"*.a\", \"a*\", \"a*b\"]"
        )
        #expect(lines.count == 1 && lines[0].contains("invalid name 'a*b'"), "\(lines)")
    }
}
