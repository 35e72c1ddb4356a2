import Sockets

/// The settings of a listener's connections.
struct ListenerSettings: Sendable, Equatable {
    /// The default pool.
    var pool: Int
    /// Pools by the contents of the ClientHello; nil if it is not inspected.
    var routes: TLSRouter?
    var accessPolicy: AccessPolicy
    /// The bandwidth limit of each direction of each connection, with a full bucket; nil is unlimited.
    var bandwidth: BandwidthBucket?
    var deadlines: ConnectionTimeouts
    /// Options of server sockets, set when they are created.
    var socketOptions: SocketOptions
    /// TCP keep-alive of server sockets, enabled for long-lived connections.
    var keepAlive: KeepAlive?
    /// Local addresses of connections to servers, used in rotation; if empty, the kernel chooses.
    var sources: [RawAddress]
    /// Maximum time without progress of acknowledgements before a pending reset is sent.
    var resetDrainTimeout: Duration
    /// Whether any rule applies to new connections.
    let hasRules: Bool
}
