public import TLS

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

    /// Creates the settings with a certificate for all names.
    public init(certificates: [TLSCertificate]) {
        self.certificates = certificates
    }

    /// Checks that the certificates and settings can be used.
    ///
    /// - Throws: `TLSError` for the first one that cannot.
    public func check() throws(TLSError) { _ = try ListenerTLSPlan(self) }
}

/// TLS between the proxy and the servers of a pool.
public struct PoolTLS: Sendable, Hashable {
    /// Verification of the servers, protocols, versions and algorithms.
    public var settings: TLSClientSettings
    /// The name that is sent as SNI and that certificates must have; nil uses the host of each server.
    public var serverName: String?

    /// Creates settings with a verification of servers' certificates, which cannot be left out by mistake.
    public init(verification: TLSClientSettings.Verification, serverName: String? = nil) {
        settings = TLSClientSettings(verification: verification)
        self.serverName = serverName
    }

    /// Checks that the certificates and settings can be used.
    ///
    /// - Throws: `TLSError` for the first one that cannot.
    public func check() throws(TLSError) { _ = try PoolTLSPlan(self) }
}
