import Sockets

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

    /// Whether a header must be sent.
    public var header: Header
    /// Networks of the trusted proxies. A header from any other address is not parsed and counts as payload.
    public var networks: [CIDRBlock] {
        didSet { list = Self.list(networks) }
    }
    /// Whether all programs that connect to a Unix socket are trusted; without it, a listener at a Unix socket is not
    /// valid.
    public var trustsUnixSockets: Bool
    private var list: AccessList

    /// Creates a setting that accepts headers from `networks`, and on Unix sockets if `trustsUnixSockets` is true.
    public init(header: Header, networks: [CIDRBlock], trustsUnixSockets: Bool = false) {
        self.header = header
        self.networks = networks
        self.trustsUnixSockets = trustsUnixSockets
        list = Self.list(networks)
    }

    /// Returns whether a header from this peer is trusted.
    func trusts(_ peer: PeerAddress) -> Bool {
        if case .unix = peer { trustsUnixSockets } else { list.admits(peer) }
    }

    private static func list(_ networks: [CIDRBlock]) -> AccessList {
        // Nothing is denied, so the only possible error is too many networks; in that case no proxy is trusted.
        (try? AccessList(allow: networks, otherwise: false)) ?? AccessList.denyAll
    }
}

extension TrustedProxies {
    /// Creates a setting from the elements of a list.
    package init(header: Header, sources: [TrustedSource]) {
        self.init(
            header: header,
            networks: sources.compactMap { if case .network(let block) = $0 { block } else { nil } },
            trustsUnixSockets: sources.contains(.unix)
        )
    }
}
