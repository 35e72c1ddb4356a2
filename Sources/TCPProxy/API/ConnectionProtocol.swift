/// Protocol whose first messages a proxy understands.
public enum ConnectionProtocol: String, Sendable, Hashable, CaseIterable {
    /// Any protocol; TLS begins with its ClientHello.
    case tcp
    /// PostgreSQL: clients request TLS with an SSLRequest, and start it after the answer.
    case postgres
}
