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
    private(set) var list: AccessList

    /// Creates a setting that accepts headers from `networks`.
    public init(header: Header, networks: [CIDRBlock]) {
        self.header = header
        self.networks = networks
        list = Self.list(networks)
    }

    private static func list(_ networks: [CIDRBlock]) -> AccessList {
        // Nothing is denied, so the only possible error is too many networks; in that case no proxy is trusted.
        (try? AccessList(allow: networks, otherwise: false)) ?? AccessList.denyAll
    }
}
