/// Who may come in at a listener, how often, and how many at the same time. As it comes, everybody may.
///
/// Whoever may not is reset at once and counted by its ``DenialCause``; nobody else waits for that.
public struct Entrance: Sendable, Equatable {
    /// By the clients' addresses; nil is everybody.
    public var access: AccessList?
    /// Connections to the listener at the same time, 1 at least; nil is as many as come.
    public var maxConnections: Int?
    /// Connections of one client at the same time, 1 at least. IPv6 addresses with 64 bits in common are one client.
    public var maxConnectionsPerClient: Int?
    /// New connections to the listener; nil is as fast as they come.
    public var rate: TokenRate?
    /// New connections of one client.
    public var ratePerClient: TokenRate?
    /// Whether proxies before this one tell who the client is, by the PROXY protocol; nil is that none does.
    public var proxies: TrustedProxies?

    public init() {}

    /// IPv6 addresses that have so many bits in common are one client: it is what one customer has.
    static let clientPrefixLength = 64
}

/// Who may tell in a header of the PROXY protocol, ahead of a connection's bytes, where its client is
/// (haproxy.org, doc/proxy-protocol.txt).
public struct TrustedProxies: Sendable, Equatable {
    /// Whether a trusted proxy must send a header.
    public enum Header: String, Sendable, CaseIterable {
        /// Without one it is a client like others. For protocols in which the client speaks first.
        case optional
        /// Without one it is reset, and so is everybody who is not trusted.
        case required
    }

    public var header: Header
    /// Where trusted proxies are. A header from elsewhere is not read: it is bytes like others.
    public var networks: [AddressBlock] {
        didSet { list = Self.list(networks) }
    }
    private(set) var list: AccessList

    public init(header: Header, networks: [AddressBlock]) {
        self.header = header
        self.networks = networks
        list = Self.list(networks)
    }

    private static func list(_ networks: [AddressBlock]) -> AccessList {
        // Nothing is denied, so only their number could be wrong, and beyond it nobody is trusted.
        (try? AccessList(allow: networks, otherwise: false)) ?? AccessList.nobody
    }
}

/// Why a listener did not let a client in.
public enum DenialCause: UInt8, Hashable, Sendable, CaseIterable {
    /// Its address is denied, or not allowed.
    case address
    /// The listener has as many connections as it may have.
    case connections
    /// Connections come to the listener faster than they may.
    case rate
    /// The client has as many connections as it may have.
    case clientConnections
    /// Connections of the client come faster than they may.
    case clientRate
    /// More clients are known than there is memory for.
    case clientTable
    /// A header of the PROXY protocol is required, and nobody there is trusted to send one.
    case untrustedProxy
    /// The header of the PROXY protocol is missing, or is none.
    case proxyHeader
    /// What should be a TLS client's hello is none, or does not end.
    case clientHello
    /// The header, or the hello, was not complete in time.
    case prefaceTimeout
    /// The client was gone before it was complete.
    case prefaceEnded
}

extension Entrance {
    /// Whether everybody may come in.
    var isOpen: Bool {
        access == nil && maxConnections == nil && maxConnectionsPerClient == nil && rate == nil
            && ratePerClient == nil && proxies == nil
    }

    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range.
    func check() throws(ProxyError) {
        let counts = [
            ("the listener's maximum of connections", maxConnections),
            ("the maximum of connections for each client", maxConnectionsPerClient),
        ]
        for (name, count) in counts {
            guard let count, count < 1 else { continue }
            throw .badSetting(name: name, value: "\(count)", allowed: "1 or more")
        }
        guard let proxies else { return }
        let count = proxies.networks.count
        guard (1...AccessList.longest).contains(count) else {
            throw .badSetting(
                name: "the number of networks with trusted proxies",
                value: "\(count)",
                allowed: "1 to \(AccessList.longest)"
            )
        }
    }
}
