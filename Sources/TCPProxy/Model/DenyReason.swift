/// The reason why a listener denied a connection.
public enum DenyReason: UInt8, Hashable, Sendable, CaseIterable {
    /// The client's address is denied or not allowed.
    case address
    /// The listener has reached its connection limit.
    case connections
    /// The listener has reached its rate of new connections.
    case rate
    /// The client has reached its connection limit.
    case clientConnections
    /// The client has reached its rate of new connections.
    case clientRate
    /// The client table is full.
    case clientTable
    /// A PROXY protocol header is required, and the peer is not a trusted proxy.
    case untrustedProxy
    /// The PROXY protocol header is missing or malformed.
    case proxyHeader
    /// The ClientHello is malformed or too long, or the payload is not TLS and there is no pool for such connections.
    case clientHello
    /// The PROXY protocol header or the ClientHello was not complete before the timeout.
    case prereadTimeout
    /// The client closed or reset the connection before the header or the ClientHello was complete.
    case prereadEnded
    /// The connection comes from this process itself, and has passed one of its listeners before.
    case loop
    /// The client had not sent the PROXY protocol header or the ClientHello for a second, and the connection limit of the
    /// process was reached, so the connection was closed in favor of a new one.
    case prereadEvicted
    /// The TLS handshake with the client failed.
    case tlsHandshake
    /// The client requested a name for which the listener has no certificate.
    case tlsName
    /// The TLS handshake with the client was not complete before the timeout.
    case tlsTimeout
    /// The first bytes are not those of a PostgreSQL client, or were sent before the answer to a request; or TLS began
    /// without a request and without the ALPN protocol `postgresql`.
    case postgresRequest
    /// The listener has reached its rate of TLS handshakes.
    case handshakeRate

    /// The limits of connections and rates, which a listener can count without denying connections.
    public static let limits: [DenyReason] = [.connections, .rate, .clientConnections, .clientRate, .clientTable]
}
