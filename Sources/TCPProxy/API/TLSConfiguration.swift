public import TLS
import ValueFormats

/// TLS between clients and a listener: the proxy decrypts what clients send, and pools get the plaintext.
public struct ListenerTLS: Sendable, Hashable {
    /// The certificates. The client's SNI host name selects by the names in the certificates; several for the same names
    /// differ in the algorithm of their keys. The first one is for clients whose name no certificate has.
    public var certificates: [TLSCertificate]
    /// Whether a client that sends a name which no certificate has is refused, instead of getting the first certificate.
    public var refusesUnknownNames = false
    /// The action for TLS clients that no SNI or ALPN route of the listener selects.
    public var unrouted = TLSAction.terminate
    /// Protocols, versions and algorithms.
    public var parameters = TLSParameters()
    /// Verification of client certificates; nil requests none.
    public var clients: TLSServerSettings.ClientVerification?
    /// How sessions are resumed.
    public var sessionTickets = SessionTickets.random(rotation: Settings.sessionTicketRotation.defaultValue)
    /// Maximum rate of new handshakes of the listener; nil is unlimited. Clients beyond it are denied.
    public var handshakeRate: TokenRate?
    /// Whether an end of a client's stream without close_notify resets the connection to the server, after the bytes before
    /// it, instead of ending it.
    public var requiresCloseNotify = false
    private var prepared = Prepared<ListenerTLSPlan>()

    /// Creates the settings with a certificate for all names.
    public init(certificates: [TLSCertificate]) {
        self.certificates = certificates
    }

    /// How clients resume sessions: with tickets, which only the listener can decrypt (RFC 8446, 4.6.1).
    public enum SessionTickets: Sendable, Hashable {
        /// Not at all.
        case off
        /// With a random key, which is kept as long as there is a listener of the name.
        ///
        /// - Parameter rotation: the time after which another key encrypts; the one before it decrypts for the same time
        ///   again. nil keeps the key.
        case random(rotation: Duration?)
        /// With keys that several processes share: the first one encrypts, all decrypt. 1 to 16 keys of 80 bytes, or one of
        /// 48, as in the files of nginx' `ssl_session_ticket_key`.
        case keys(SecretBytes)
    }

    /// Prepares the certificates and settings for use, which otherwise happens when a proxy is bound or changed with them.
    ///
    /// - Throws: `TLSError` for the first one that cannot be used.
    public mutating func prepare() throws(TLSError) { prepared = Prepared(try plan()) }

    /// The certificates with what they say about themselves; empty if one cannot be used.
    package var describedCertificates: [(name: String, chain: PEMText, info: CertificateInfo)] {
        guard let plan = try? plan() else { return [] }
        return zip(certificates, plan.certificates).map { ($0.chain.name, $0.chain, $1) }
    }

    /// Returns the prepared plan if there is one of the present settings, otherwise a new one.
    func plan() throws(TLSError) -> ListenerTLSPlan {
        if let plan = prepared.value, plan.configuration == self { return plan }
        var plain = self
        plain.prepared = Prepared()
        return try ListenerTLSPlan(plain)
    }
}

/// TLS between the proxy and the servers of a pool.
public struct PoolTLS: Sendable, Hashable {
    /// Verification of the servers, protocols, versions and algorithms.
    public var settings: TLSClientSettings
    /// The name that is sent as SNI and that certificates must have; nil uses the host of each server.
    public var serverName: String?
    /// Whether an end of a server's stream without close_notify resets the connection to the client, after the bytes before
    /// it, instead of ending it.
    public var requiresCloseNotify = false
    private var prepared = Prepared<PoolTLSPlan>()

    /// Creates settings with a verification of servers' certificates, which cannot be left out by mistake.
    public init(verification: TLSClientSettings.Verification, serverName: String? = nil) {
        settings = TLSClientSettings(verification: verification)
        self.serverName = serverName
    }

    /// Prepares the certificates and settings for use, which otherwise happens when a proxy is bound or changed with them.
    ///
    /// - Throws: `TLSError` for the first one that cannot be used.
    public mutating func prepare() throws(TLSError) { prepared = Prepared(try plan()) }

    /// Returns the prepared plan if there is one of the present settings, otherwise a new one.
    func plan() throws(TLSError) -> PoolTLSPlan {
        if let plan = prepared.value, plan.configuration == self { return plan }
        var plain = self
        plain.prepared = Prepared()
        return try PoolTLSPlan(plain)
    }
}

/// What has been made from a configuration, kept with it but not part of its value.
private struct Prepared<Value: Sendable>: Sendable, Hashable {
    /// A class, because the value contains the configuration.
    private final class Reference: Sendable {
        let value: Value

        init(_ value: Value) {
            self.value = value
        }
    }

    private let reference: Reference?

    init(_ value: Value? = nil) {
        reference = value.map(Reference.init)
    }

    var value: Value? { reference?.value }

    static func == (first: Self, second: Self) -> Bool { true }

    func hash(into hasher: inout Hasher) {}
}
