/// A PEM text (RFC 7468) and the name of its source for messages.
public struct PEMText: Sendable, Hashable {
    /// The path of the file, or another description.
    public var name: String
    public var bytes: [UInt8]

    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// A certificate chain, its first certificate first, and the private key.
public struct TLSCertificate: Sendable, Hashable {
    public var chain: PEMText
    /// The key, a PEM text without a password.
    public var key: SecretBytes
    /// The OCSP response in DER that is sent with the certificate to clients that request it; nil sends none. See
    /// ``OCSPResponse``.
    public var ocspResponse: [UInt8]?

    public init(chain: PEMText, key: SecretBytes) {
        self.chain = chain
        self.key = key
    }
}

/// A version of TLS.
public enum TLSVersion: UInt16, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case v12 = 0x0303
    case v13 = 0x0304

    public var description: String { self == .v12 ? "1.2" : "1.3" }

    /// The name with that of the protocol, as other programs write it: `TLSv1.3`.
    public var protocolName: String { "TLSv\(self)" }
}

/// The settings that both sides of a connection have.
public struct TLSParameters: Sendable, Hashable {
    public var minVersion = TLSVersion.v12
    /// The newest version; nil is the newest one that the library supports.
    public var maxVersion: TLSVersion?
    /// The cipher suites of TLS 1.2, separated by colons, the preferred one first; nil selects those with forward secrecy
    /// and authenticated encryption.
    public var ciphers: String?
    /// The key exchange groups, separated by colons, the preferred one first; nil is
    /// `X25519MLKEM768:X25519:P-256:P-384`.
    public var groups: String?
    /// The application protocols (ALPN, RFC 7301): those that a client offers, or that a server accepts in the order of its
    /// preference. If empty, the extension is not used.
    public var protocols: [String] = []

    public init() {}

    /// Returns application protocols in the format of RFC 7301, 3.1.
    static func wireFormat(of protocols: [String]) -> [UInt8] {
        protocols.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) }
    }
}

/// The settings of a listener for one selection of certificates.
public struct TLSServerSettings: Sendable {
    public var parameters = TLSParameters()
    /// Certificates for the same names with keys of different algorithms; at least one.
    public var certificates: [TLSCertificate]
    /// Verification of client certificates; nil does not request one.
    public var clients: ClientVerification?
    /// The keys of session tickets; nil uses those that the context creates and replaces.
    public var ticketKeys: SessionTicketKeys?
    /// Whether sessions can be resumed.
    public var sendsTickets = true

    public struct ClientVerification: Sendable, Hashable {
        /// The authorities whose certificates are accepted.
        public var authorities: PEMText
        /// Whether a client without a certificate is refused.
        public var areRequired: Bool
        /// The names that are accepted: a DNS name, email address or URI in subjectAltName, or a common name. An asterisk
        /// at the beginning or the end stands for at least one character; upper and lower case differ only in URIs. If
        /// empty, all names are.
        public var names: [String] = []

        public init(authorities: PEMText, areRequired: Bool) {
            self.authorities = authorities
            self.areRequired = areRequired
        }
    }

    public init(certificates: [TLSCertificate]) {
        self.certificates = certificates
    }
}

/// The settings of connections to servers.
public struct TLSClientSettings: Sendable, Hashable {
    public var parameters = TLSParameters()
    public var verification: Verification
    /// The certificate for servers that request one.
    public var certificate: TLSCertificate?

    /// How a server's certificate is verified.
    public enum Verification: Sendable, Hashable {
        /// By the authorities that the system trusts.
        case system
        /// By these authorities.
        case authorities(PEMText)
        /// Not at all: any server is accepted.
        case off
    }

    public init(verification: Verification) {
        self.verification = verification
    }
}
