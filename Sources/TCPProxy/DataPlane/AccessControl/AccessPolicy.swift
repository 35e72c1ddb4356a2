import ValueFormats

/// Access lists, connection limits and connection rate limits of a listener. The default admits all clients.
///
/// A denied connection is reset immediately and counted by its ``DenyReason``; other connections are not delayed.
public struct AccessPolicy: Sendable, Equatable {
    /// Access list by client address; nil admits all clients.
    public var access: AccessList?
    /// Maximum number of concurrent connections of the listener, 1 to 1,000,000; nil is unlimited.
    public var maxConnections: Int? = Settings.maxConnections.defaultValue
    /// Maximum number of concurrent connections of one client, 1 to 1,000,000; nil is unlimited. IPv6 addresses in the
    /// same /64 count as one client.
    public var maxConnectionsPerClient: Int? = Settings.maxConnectionsPerClient.defaultValue
    /// Maximum rate of new connections of the listener; nil is unlimited.
    public var rate: TokenRate?
    /// Maximum rate of new connections of one client; nil is unlimited.
    public var ratePerClient: TokenRate?
    /// Whether the four limits above are only counted and logged, and deny no connection.
    public var limitsDryRun = Settings.limitsDryRun.defaultValue
    /// Name under which the counts of the four limits are shared with all other listeners that have the same name here;
    /// nil counts the connections of this listener alone. The limits should then be the same.
    public var sharedLimits: String?
    /// Trusted proxies in front of this one that send the client's address in a PROXY protocol header; nil if there are
    /// none.
    public var proxies: TrustedProxies?

    /// Creates a policy that admits all clients.
    public init() {}

    /// IPv6 addresses that share this many leading bits count as one client: the usual assignment to one customer.
    static let clientPrefixLength = 64
}

extension AccessPolicy {
    /// Whether all clients are admitted without limits.
    var isOpen: Bool { access == nil && proxies == nil && !hasLimits }

    /// Whether any limit applies to connections or to new connections.
    var hasLimits: Bool {
        maxConnections != nil || maxConnectionsPerClient != nil || rate != nil || ratePerClient != nil
    }

    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range.
    func check() throws(ProxyError) {
        try Settings.maxConnections.check(maxConnections, of: " of the listener")
        try Settings.maxConnectionsPerClient.check(maxConnectionsPerClient)
        guard let proxies else { return }
        let count = proxies.networks.count
        guard ((proxies.trustsUnixSockets ? 0 : 1)...AccessList.maxBlocks).contains(count) else {
            throw .badSetting(
                name: "number of trusted proxy networks",
                value: "\(count)",
                allowed: "1 to \(AccessList.maxBlocks)"
            )
        }
    }
}
