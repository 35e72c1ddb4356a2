package import TLS
package import ValueFormats

extension ListenerTLS {
    /// The definitions of the settings.
    package enum Settings {
        package static let tls = SettingDescriptor<ListenerTLS?>("tls", unset: "clients' bytes are relayed as they are")
            .help("TLS with clients: the proxy decrypts what they send. See [TLS](tls.md).")

        package static let certificates = SettingDescriptor<[TLSCertificate]>("certificates", unset: "required")
            .help(
                "Certificates with their keys, or the path of a folder of them. The names in them select by the client's "
                    + "SNI host name; the first one is for all other clients."
            )

        package static let certificate = SettingDescriptor<[String]>("certificate", unset: "none")
            .allowed("path of a PEM file")
            .option("tls-certificate")
            .help("Certificate chain of the listener, its own certificate first.")

        package static let key = SettingDescriptor<[String]>("key", unset: "none")
            .allowed("path of a PEM file")
            .option("tls-key")
            .help("Private key of the certificate, not encrypted.")

        package static let ocsp = SettingDescriptor.text("ocsp", of: 1...4096, unset: "none")
            .help(
                "OCSP response in DER, which is sent to clients that request it. One that is out of date or for another "
                    + "certificate is not sent, and logged."
            )

        package static let selfSigned = SettingDescriptor.text("self-signed", of: 1...253, unset: "none")
            .option("tls-self-signed")
            .help("Host name or IP address for a certificate that is created in memory at each start, for tests.")

        package static let unknownName = SettingDescriptor.word("unknown-name", default: UnknownName.default)
            .option("tls-unknown-name")
            .help(
                "What a client gets that requests a name which no certificate has: `default` is the first certificate, "
                    + "`refuse` the alert unrecognized_name."
            )

        package static let unrouted = SettingDescriptor.word("unrouted", default: TLSAction.terminate)
            .help(
                "Action for TLS clients that no route of `sni` or `alpn` selects: `terminate` decrypts their bytes, `pass` "
                    + "forwards them to `pool` as they are."
            )

        package static let clientCertificates =
            SettingDescriptor
            .word("client-certificates", default: ClientCertificates.off)
            .option("tls-client-certificates")
            .help("Whether clients may or must send a certificate, which is verified with `client-ca`.")

        package static let clientCA = SettingDescriptor.text("client-ca", of: 1...4096, unset: "none")
            .option("tls-client-ca")
            .help("PEM file with the certificates of the authorities for client certificates.")

        package static let clientNames = SettingDescriptor<[String]>("client-names", unset: "all names")
            .allowed("names such as `billing`, `*.clients.example.com` or `spiffe://example.com/*`")
            .option("tls-client-name")
            .help(
                "Names of clients that are accepted: a DNS name, email address or URI in subjectAltName, or a common "
                    + "name. `*` at the beginning or the end stands for any text."
            )

        package static let sessionTickets = SettingDescriptor.word("session-tickets", default: SessionTicketUse.on)
            .option("tls-session-tickets")
            .help("Whether clients can resume sessions, which saves most of the cost of a handshake.")

        package static let sessionTicketRotation = SettingDescriptor.durationOrOff(
            "session-ticket-rotation",
            in: .seconds(1)...DurationValue.maxDuration,
            default: .seconds(12 * 3600)
        )
        .option("tls-session-ticket-rotation")
        .help(
            "Interval after which another random key encrypts session tickets; the one before it decrypts for the same "
                + "time again."
        )

        package static let sessionTicketKeys = SettingDescriptor.text(
            "session-ticket-keys",
            of: 1...4096,
            unset: "random keys"
        )
        .option("tls-session-ticket-keys")
        .help(
            "File of keys that several processes share, in nginx' format: 1 to 16 keys of 80 bytes, or one of 48. The "
                + "first one encrypts, all decrypt."
        )

        package static let handshakeRate = SettingDescriptor<TokenRate?>.orOff("handshake-rate")
            .allowed("a number per second, minute or hour, such as `100/s`, `30/m` or `10/s,burst=50`")
            .option("tls-handshake-rate")
            .help(
                "Maximum rate of handshakes of the listener; connections beyond it are reset before they cost anything."
            )

        package static let requireCloseNotify = SettingDescriptor.flag("require-close-notify")
            .option("tls-require-close-notify")
            .help(
                "Whether an end without close_notify resets the other side, after the bytes before it, instead of being "
                    + "passed on as an end."
            )

        package static let alpn = SettingDescriptor<[ALPNProtocol]>("alpn", unset: "not negotiated")
            .allowed("protocols such as `h2` and `http/1.1`")
            .option("tls-alpn")
            .help("Application protocols that the servers speak, the preferred one first.")

        package static let minVersion = SettingDescriptor.word("min-version", default: MinVersion.v12)
            .option("tls-min-version")
            .help("Oldest accepted version of TLS.")

        package static let ciphers = SettingDescriptor.text(
            "ciphers",
            of: 1...1024,
            unset: "those with forward secrecy"
        )
        .option("tls-ciphers")
        .help("Cipher suites of TLS 1.2 in OpenSSL's names, separated by colons, the preferred one first.")

        package static let groups = SettingDescriptor.text(
            "groups",
            of: 1...256,
            unset: "`X25519MLKEM768:X25519:P-256:P-384`"
        )
        .option("tls-groups")
        .help("Groups for the key exchange, separated by colons, the preferred one first.")
    }

    /// What a client gets that requests an unknown name.
    package enum UnknownName: String, CaseIterable, Sendable {
        case `default`, refuse
    }

    /// The maximum number of patterns of client names.
    package static let maxClientNames = 1024

    /// Whether clients can resume sessions.
    package enum SessionTicketUse: String, CaseIterable, Sendable {
        case on, off
    }

    /// Whether clients may or must send a certificate.
    package enum ClientCertificates: String, CaseIterable, Sendable {
        case off, optional, required
    }

    /// The version of TLS as written.
    package enum MinVersion: String, CaseIterable, Sendable {
        case v12 = "1.2"
        case v13 = "1.3"

        package var version: TLSVersion { self == .v12 ? .v12 : .v13 }
    }
}

extension PoolTLS {
    /// The definitions of the settings.
    package enum Settings {
        package static let tls = SettingDescriptor<PoolTLS?>("tls", unset: "servers get the bytes as they are")
            .help("TLS with servers: the proxy encrypts what it sends to them. See [TLS](tls.md).")

        package static let isUsed = SettingDescriptor.flag("server-tls")
            .help("Encrypt connections to servers with TLS.")

        package static let verify = SettingDescriptor<Verify?>("verify", unset: "`ca` with `ca`, otherwise `system`")
            .allowed("`system`, `ca`, `off`")
            .option("server-tls-verify")
            .help(
                "Verification of servers' certificates: with the authorities of the `system`, with those of `ca`, or "
                    + "`off`, which accepts any server."
            )

        package static let ca = SettingDescriptor.text("ca", of: 1...4096, unset: "none")
            .option("server-tls-ca")
            .help("PEM file with the certificates of the authorities; implies `verify: ca`.")

        package static let serverName = SettingDescriptor.text(
            "server-name",
            of: 1...253,
            unset: "the host of each server"
        )
        .option("server-tls-name")
        .help("Name that is sent as SNI and that servers' certificates must have.")

        package static let certificate = SettingDescriptor.text("certificate", of: 1...4096, unset: "none")
            .option("server-tls-certificate")
            .help("Certificate chain for servers that request one: the path of a PEM file.")

        package static let key = SettingDescriptor.text("key", of: 1...4096, unset: "none")
            .option("server-tls-key")
            .help("Private key of `certificate`: the path of a PEM file.")

        package static let alpn = SettingDescriptor<[ALPNProtocol]>("alpn", unset: "not negotiated")
            .allowed("protocols such as `h2` and `http/1.1`")
            .option("server-tls-alpn")
            .help("Application protocols that are offered to servers.")

        package static let requireCloseNotify = SettingDescriptor.flag("require-close-notify")
            .option("server-tls-require-close-notify")
            .help(
                "Whether an end without close_notify resets the client, after the bytes before it, instead of being passed "
                    + "on as an end."
            )
    }

    /// The authorities that servers are verified with.
    package enum Verify: String, CaseIterable, Sendable {
        case system, ca, off
    }
}
