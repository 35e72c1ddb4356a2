public import TLS

/// The pool for TLS clients that request one of several SNI host names.
public struct SNIRoute: Sendable, Hashable {
    /// The host names.
    public var names: [SNIPattern]
    /// The name of the pool that gets these clients.
    public var pool: String
    /// What a listener with TLS does with these clients.
    public var tls: TLSAction
    /// One of the certificates of the listener, for these clients; nil selects by the names in the certificates.
    public var certificate: TLSCertificate?

    /// Creates a route from host names to a pool.
    public init(names: [SNIPattern], pool: String, tls: TLSAction = .terminate, certificate: TLSCertificate? = nil) {
        self.names = names
        self.pool = pool
        self.tls = tls
        self.certificate = certificate
    }
}

/// The pool for TLS clients that offer one of several ALPN protocols.
public struct ALPNRoute: Sendable, Hashable {
    /// The protocols.
    public var protocols: [ALPNProtocol]
    /// The name of the pool that gets these clients.
    public var pool: String
    /// What a listener with TLS does with these clients.
    public var tls: TLSAction
    /// One of the certificates of the listener, for these clients; nil selects by the names in the certificates.
    public var certificate: TLSCertificate?

    /// Creates a route from ALPN protocols to a pool.
    public init(
        protocols: [ALPNProtocol],
        pool: String,
        tls: TLSAction = .terminate,
        certificate: TLSCertificate? = nil
    ) {
        self.protocols = protocols
        self.pool = pool
        self.tls = tls
        self.certificate = certificate
    }
}

/// Action of a listener with TLS for TLS clients. A listener without TLS passes all of them.
public enum TLSAction: String, Sendable, Hashable, CaseIterable {
    /// Decrypts their bytes; the pool gets the plaintext.
    case terminate
    /// Forwards their bytes as they are, from the ClientHello on; the servers have the certificates.
    case pass
}
