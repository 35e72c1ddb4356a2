import Sockets
import TLS

/// The access log record of a closed connection, with numbers that the control plane resolves to names.
struct ConnectionRecord: Sendable {
    var id: ConnectionID
    var client: PeerAddress
    /// ``SharedServerState/serial``; nil if the connection had no server.
    var server: Int?
    var listener: Int16
    var pool: Int16
    var attempts: Int32
    var bytesUpstream: UInt64
    var bytesDownstream: UInt64
    var openedAt: Instant
    var closedAt: Instant
    var phaseTimings: PhaseTimings
    var reason: CloseReason
    var initiator: CloseInitiator
    /// TLS of the connection; nil without it. A reference that the reader of the record must release, because records are
    /// plain data.
    var tls: Unmanaged<TLSRecord>?
}

/// TLS of a closed connection. Created only for connections with TLS, if the access log is enabled.
final class TLSRecord: Sendable {
    let client: TLSConnectionInfo?
    let server: TLSConnectionInfo?

    init(client: TLSConnectionInfo?, server: TLSConnectionInfo?) {
        self.client = client
        self.server = server
    }
}
