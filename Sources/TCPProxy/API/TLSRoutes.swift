/// The pool for TLS clients that request one of several SNI host names.
public struct SNIRoute: Sendable, Hashable {
    /// The host names.
    public var names: [SNIPattern]
    /// The name of the pool that gets these clients.
    public var pool: String

    /// Creates a route from host names to a pool.
    public init(names: [SNIPattern], pool: String) {
        self.names = names
        self.pool = pool
    }
}

/// The pool for TLS clients that offer one of several ALPN protocols.
public struct ALPNRoute: Sendable, Hashable {
    /// The protocols.
    public var protocols: [ALPNProtocol]
    /// The name of the pool that gets these clients.
    public var pool: String

    /// Creates a route from ALPN protocols to a pool.
    public init(protocols: [ALPNProtocol], pool: String) {
        self.protocols = protocols
        self.pool = pool
    }
}
