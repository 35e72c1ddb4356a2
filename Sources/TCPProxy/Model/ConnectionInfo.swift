public import Sockets

/// Filter for a proxy's connections. A connection matches if all properties that are not nil match; an empty filter
/// matches all connections.
public struct ConnectionFilter: Sendable, Equatable {
    public var id: ConnectionID?
    /// Address of the client; the port is ignored.
    public var client: PeerAddress?
    public var listener: String?
    public var pool: String?
    /// Name of a server, possibly one that has been removed.
    public var server: String?

    public init() {}
}

/// State of a connection at one moment.
public struct ConnectionInfo: Sendable, Equatable {
    public enum Stage: String, Sendable {
        /// Waits for the PROXY protocol header or the TLS ClientHello.
        case preread
        /// Waits in the pool's queue for a server.
        case queued
        case connecting
        case relaying
        /// One side is gone; the other side is sent the remaining bytes before it is reset.
        case ending
    }

    public var id: ConnectionID
    public var client: PeerAddress
    public var listener: String
    public var pool: String
    /// Name of the server; nil if none has been selected.
    public var server: String?
    public var stage: Stage
    public var bytesUpstream: Int
    public var bytesDownstream: Int
    /// Time since the connection was accepted.
    public var age: Duration
}

/// Connections that match a filter.
public struct ConnectionsSnapshot: Sendable, Equatable {
    /// Matching connections, the oldest first, at most as many as requested.
    public var connections: [ConnectionInfo] = []
    /// Number of matching connections, including those not listed.
    public var total = 0

    /// Maximum number of connections listed in one snapshot.
    public static let limit = 10_000

    public init() {}
}
