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
    /// Trusted proxies in front of this one that send the client's address in a PROXY protocol header; nil if there are
    /// none.
    public var proxies: TrustedProxies?

    /// Creates a policy that admits all clients.
    public init() {}

    /// IPv6 addresses that share this many leading bits count as one client: the usual assignment to one customer.
    static let clientPrefixLength = 64
}

/// The proxies that are trusted to send the client's address in a PROXY protocol header (haproxy.org,
/// doc/proxy-protocol.txt).
public struct TrustedProxies: Sendable, Equatable {
    /// Whether a trusted proxy must send a header.
    public enum Header: String, Sendable, CaseIterable {
        /// Without a header, the trusted proxy counts as the client. Suitable for protocols in which the client sends
        /// first.
        case optional
        /// A connection without a header is reset, and so is every connection from an untrusted address.
        case required
    }

    public var header: Header
    /// Networks of the trusted proxies. A header from any other address is not parsed and counts as payload.
    public var networks: [CIDRBlock] {
        didSet { list = Self.list(networks) }
    }
    private(set) var list: AccessList

    public init(header: Header, networks: [CIDRBlock]) {
        self.header = header
        self.networks = networks
        list = Self.list(networks)
    }

    private static func list(_ networks: [CIDRBlock]) -> AccessList {
        // Nothing is denied, so the only possible error is too many networks; in that case no proxy is trusted.
        (try? AccessList(allow: networks, otherwise: false)) ?? AccessList.nobody
    }
}

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
    /// The ClientHello is malformed or too long, or the payload is not TLS.
    case clientHello
    /// The PROXY protocol header or the ClientHello was not complete before the timeout.
    case prereadTimeout
    /// The client closed or reset the connection before the header or the ClientHello was complete.
    case prereadEnded
}

extension AccessPolicy {
    /// Whether all clients are admitted without limits.
    var isOpen: Bool {
        access == nil && maxConnections == nil && maxConnectionsPerClient == nil && rate == nil
            && ratePerClient == nil && proxies == nil
    }

    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range.
    func check() throws(ProxyError) {
        try Settings.maxConnections.check(maxConnections, of: " of the listener")
        try Settings.maxConnectionsPerClient.check(maxConnectionsPerClient)
        guard let proxies else { return }
        let count = proxies.networks.count
        guard (1...AccessList.longest).contains(count) else {
            throw .badSetting(
                name: "number of trusted proxy networks",
                value: "\(count)",
                allowed: "1 to \(AccessList.longest)"
            )
        }
    }
}
