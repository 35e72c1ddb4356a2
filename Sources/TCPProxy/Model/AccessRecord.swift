import ProcessSupport
package import Sockets
package import TLS

/// Access log entry of a closed connection.
package struct AccessRecord: Sendable, Equatable {
    package var id: ConnectionID
    /// Time of accept, in seconds since 1970.
    package var openedAt: Double
    package var client: PeerAddress
    package var listener: String
    package var pool: String
    /// Name of the server that was connected or tried last; nil if none was available.
    package var server: String?
    /// Number of connection attempts.
    package var attempts: Int
    /// Bytes from the client that the server's kernel accepted; `bytesDownstream` counts the opposite direction.
    package var bytesUpstream: Int
    package var bytesDownstream: Int
    /// Time spent in the queue of the pool.
    package var queued: Duration
    /// Time from the end of queueing, or from accept if it was not queued, until a server was connected; nil if none
    /// was.
    package var connecting: Duration?
    /// Time from accept until the first byte of the server was sent to the client; nil if there was none.
    package var firstByte: Duration?
    /// Time from accept to close.
    package var total: Duration
    package var reason: CloseReason
    package var initiator: CloseInitiator
    /// TLS with the client, and with the server; nil without it.
    package var clientTLS: TLSConnectionInfo?
    package var serverTLS: TLSConnectionInfo?

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
        initiator: CloseInitiator
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
        self.initiator = initiator
    }
}

extension AccessRecord {
    /// Creates an entry from a worker's record, with names in place of numbers; releases the record's reference.
    init(_ record: ConnectionRecord, listener: String, pool: String, server: String?, _ converter: WallClockConverter) {
        func duration(_ microseconds: UInt32) -> Duration? {
            microseconds == 0 ? nil : .microseconds(Int64(microseconds))
        }
        let phaseTimings = record.phaseTimings
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
            queued: .microseconds(Int64(phaseTimings.queued)),
            connecting: duration(phaseTimings.connected).map {
                max(.zero, $0 - .microseconds(Int64(phaseTimings.queued)))
            },
            firstByte: duration(phaseTimings.firstByte),
            total: record.closedAt.since(record.openedAt),
            reason: record.reason,
            initiator: record.initiator
        )
        let tls = record.tls?.takeRetainedValue()
        clientTLS = tls?.client
        serverTLS = tls?.server
    }
}
