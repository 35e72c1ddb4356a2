/// A version of the PROXY protocol (haproxy.org, doc/proxy-protocol.txt).
public enum ProxyProtocolVersion: String, Hashable, Sendable, CaseIterable {
    /// Human-readable: one line of text.
    case v1
    /// Binary, extensible with more than addresses.
    case v2
}
