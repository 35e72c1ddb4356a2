import Sockets
import TLS

/// A ``ConnectionFilter`` with names resolved to the numbers that workers use.
struct ConnectionQuery: Sendable {
    var id: ConnectionID?
    var client: PeerAddress?
    /// Resolved to names after the answer, since the number may be reused by then.
    var listeners: Set<Int16>?
    var pools: Set<Int16>?
    /// ``SharedServerState/serial``.
    var servers: Set<Int>?
    /// Maximum number of entries to return; all other matches are only counted.
    var limit: Int
    /// Whether the matching connections are reset.
    var closes = false
}

/// A worker's description of one connection.
struct ConnectionEntry: Sendable {
    var id: ConnectionID
    var client: PeerAddress
    var listener: Int16
    var pool: Int16
    var server: Int?
    var stage: Session.Stage
    var bytesUpstream: UInt64
    var bytesDownstream: UInt64
    var openedAt: Instant
    var age: Duration
    /// The connection's slot, until the worker continues.
    var slot: Int
    var clientTLS: TLSConnectionInfo?
    var serverTLS: TLSConnectionInfo?
}

/// The answer of one worker.
struct ConnectionAnswer: Sendable {
    var entries: [ConnectionEntry] = []
    private(set) var total = 0
    /// An entry opened at this time or later is not among the oldest.
    private var cutoff: Instant?

    /// Adds a connection, which is only counted if at least `limit` are older.
    mutating func add(_ entry: ConnectionEntry, limit: Int) {
        total += 1
        if let cutoff, entry.openedAt >= cutoff { return }
        entries.append(entry)
        // Not sorted for each entry: a worker may have many connections.
        if entries.count >= 2 * max(1, limit) { keepOldest(limit) }
    }

    /// Removes all entries but the oldest.
    mutating func keepOldest(_ limit: Int) {
        guard entries.count > limit else { return }
        entries.sort { $0.openedAt < $1.openedAt }
        entries.removeLast(entries.count - limit)
        cutoff = entries.last?.openedAt
    }
}
