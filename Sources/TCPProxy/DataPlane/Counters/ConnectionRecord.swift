import Sockets

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
}
