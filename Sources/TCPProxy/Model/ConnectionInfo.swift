public import Sockets
public import TLS

/// Filter for a proxy's connections. A connection matches if all properties that are not nil match; an empty filter
/// matches all connections.
public struct ConnectionFilter: Sendable, Equatable {
    /// The connection with this identifier; nil matches all.
    public var id: ConnectionID?
    /// Address of the client; the port is ignored.
    public var client: PeerAddress?
    /// Name of the listener; nil matches all.
    public var listener: String?
    /// Name of the pool; nil matches all.
    public var pool: String?
    /// Name of a server, possibly one that has been removed.
    public var server: String?

    /// Creates a filter that matches all connections.
    public init() {}
}

/// State of a connection at one moment.
public struct ConnectionInfo: Sendable, Equatable {
    /// Stage of a connection.
    public enum Stage: String, Sendable {
        /// Waits for the PROXY protocol header or the TLS ClientHello.
        case preread
        /// The TLS handshake with the client is in progress.
        case handshake
        /// Waits in the pool's queue for a server.
        case queued
        /// The proxy is connecting to a server.
        case connecting
        /// Bytes are relayed.
        case relaying
        /// One side is gone; the other side is sent the remaining bytes before it is reset.
        case ending
    }

    /// Identifier of the connection.
    public var id: ConnectionID
    /// Address of the client.
    public var client: PeerAddress
    /// Name of the listener that accepted it.
    public var listener: String
    /// Name of the pool that it is forwarded to.
    public var pool: String
    /// Name of the server; nil if none has been selected.
    public var server: String?
    /// Current stage.
    public var stage: Stage
    /// Number of bytes relayed to the server.
    public var bytesUpstream: Int
    /// Number of bytes relayed to the client.
    public var bytesDownstream: Int
    /// Time since the connection was accepted.
    public var age: Duration
    /// TLS with the client; nil without it, or before the handshake is complete.
    public var clientTLS: TLSConnectionInfo?
    /// TLS with the server; nil without it, or before the handshake is complete.
    public var serverTLS: TLSConnectionInfo?
}

/// Connections that match a filter.
public struct ConnectionsSnapshot: Sendable, Equatable {
    /// Matching connections, the oldest first, at most as many as requested.
    public var connections: [ConnectionInfo] = []
    /// Number of matching connections, including those not listed.
    public var total = 0

    /// Maximum number of connections listed in one snapshot.
    public static let limit = 10_000

    /// Creates a snapshot without connections.
    public init() {}
}
