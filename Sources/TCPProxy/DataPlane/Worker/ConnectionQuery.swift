import Sockets

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
    var age: Duration
}

/// The answer of one worker.
struct ConnectionAnswer: Sendable {
    var entries: [ConnectionEntry] = []
    var total = 0
}
