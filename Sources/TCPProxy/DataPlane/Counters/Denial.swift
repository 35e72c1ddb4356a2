import Sockets

/// A denied connection, as an example for the log.
struct Denial: Sendable {
    var client: PeerAddress
    var listener: Int16
    var cause: DenyReason
    /// Whether the connection was admitted nevertheless, because the limits of the listener are only counted.
    var isDryRun: Bool
    /// The cause of a failed TLS handshake, for `TLSFailure`; 0 if there is none.
    var tlsFailure: Int64 = 0
}
