import Sockets

/// The settings of a listener's connections.
struct ListenerSettings: Sendable, Equatable {
    /// The default pool.
    var pool: Int
    /// Pools by the contents of the ClientHello; nil if it is not inspected.
    var routes: TLSRouter?
    /// TLS with clients; nil relays their bytes as they are.
    var tls: ListenerTLSPlan?
    var accessPolicy: AccessPolicy
    /// The number of the ``ListenerLimits`` that several listeners share; nil if the listener has its own.
    var sharedLimits: Int?
    /// The bandwidth limits of each connection, with full buckets; nil is unlimited.
    var bandwidth: BandwidthAllowance?
    var deadlines: ConnectionTimeouts
    /// Options of server sockets, set when they are created.
    var socketOptions: SocketOptions
    /// TCP keep-alive of server sockets, enabled for long-lived connections.
    var keepAlive: KeepAlive?
    /// Local addresses of connections to servers, used in rotation; if empty, the kernel chooses.
    var sources: [RawAddress]
    /// Whether a connection is closed when one side has finished, instead of being half-closed.
    var closesOnHalfClose: Bool
    /// Maximum time without progress of acknowledgements before a pending reset is sent.
    var resetDrainTimeout: Duration
    /// Whether connections begin with a ClientHello that is parsed.
    let readsClientHello: Bool
    /// Whether ``tls`` is set. Stored, because reading that would count references for each connection.
    let hasTLS: Bool
    /// Whether clients speak the PostgreSQL protocol.
    let isPostgres: Bool
    /// Whether TLS clients are decrypted or routed.
    let servesTLS: Bool
    /// Whether connections begin with the TLS handshake, because no route and no certificate is selected by the ClientHello.
    let startsWithHandshake: Bool
    /// Whether any rule applies to new connections.
    let hasRules: Bool
    /// Whether its connections are counted in ``ListenerLimits``.
    let hasLimits: Bool
    /// Whether first bytes of its connections are read before server selection. Stored, because reading `routes` and
    /// `accessPolicy` would count references for each connection.
    let mayPreread: Bool
}
