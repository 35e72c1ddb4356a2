package import Sockets

/// What an access log tells of a connection, at its end.
package struct AccessRecord: Sendable, Equatable {
    package var id: ConnectionID
    /// When it was accepted, in seconds since 1970.
    package var openedAt: Double
    package var client: PeerAddress
    package var listener: String
    package var pool: String
    /// The name of the server that it had, or that was tried last; nil if there was none to try.
    package var server: String?
    /// How often it was tried to reach a server.
    package var attempts: Int
    /// Bytes of the client's that the server's kernel took, and the other way.
    package var bytesUpstream: Int
    package var bytesDownstream: Int
    /// How long it waited for a place at a server.
    package var queued: Duration
    /// From then, or from its beginning, until it had a server; nil if it never had.
    package var connecting: Duration?
    /// From its beginning until the client was sent the first byte of the server's; nil if there was none.
    package var firstByte: Duration?
    package var total: Duration
    package var reason: CloseReason
    package var side: Side

    package init(
        id: ConnectionID,
        openedAt: Double,
        client: PeerAddress,
        listener: String,
        pool: String,
        server: String?,
        attempts: Int,
        bytesUpstream: Int,
        bytesDownstream: Int,
        queued: Duration,
        connecting: Duration?,
        firstByte: Duration?,
        total: Duration,
        reason: CloseReason,
        side: Side
    ) {
        self.id = id
        self.openedAt = openedAt
        self.client = client
        self.listener = listener
        self.pool = pool
        self.server = server
        self.attempts = attempts
        self.bytesUpstream = bytesUpstream
        self.bytesDownstream = bytesDownstream
        self.queued = queued
        self.connecting = connecting
        self.firstByte = firstByte
        self.total = total
        self.reason = reason
        self.side = side
    }
}

extension AccessRecord {
    /// What a worker has recorded, in the names of the control plane.
    init(_ record: ConnectionRecord, listener: String, pool: String, server: String?, _ converter: MomentConverter) {
        func duration(_ microseconds: UInt32) -> Duration? {
            microseconds == 0 ? nil : .microseconds(Int64(microseconds))
        }
        let milestones = record.milestones
        self.init(
            id: record.id,
            openedAt: converter.seconds(record.openedAt),
            client: record.client,
            listener: listener,
            pool: pool,
            server: server,
            attempts: Int(record.attempts),
            bytesUpstream: Int(record.bytesUpstream),
            bytesDownstream: Int(record.bytesDownstream),
            queued: .microseconds(Int64(milestones.queued)),
            connecting: duration(milestones.connected).map {
                max(.zero, $0 - .microseconds(Int64(milestones.queued)))
            },
            firstByte: duration(milestones.firstByte),
            total: record.closedAt.since(record.openedAt),
            reason: record.reason,
            side: record.side
        )
    }
}
