package import Sockets

/// A connection that a listener has denied.
package struct DeniedConnection: Sendable, Hashable {
    package var client: PeerAddress
    /// Name of the listener.
    package var listener: String
    package var cause: DenyReason
    /// Whether the connection was admitted nevertheless, because the limits of the listener are only counted.
    package var isDryRun: Bool
    /// More about the cause, such as why a TLS handshake failed.
    package var detail: String?

    package init(
        client: PeerAddress,
        listener: String,
        cause: DenyReason,
        isDryRun: Bool = false,
        detail: String? = nil
    ) {
        self.client = client
        self.listener = listener
        self.cause = cause
        self.isDryRun = isDryRun
        self.detail = detail
    }
}
