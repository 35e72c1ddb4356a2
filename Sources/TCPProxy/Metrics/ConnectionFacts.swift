public import Sockets

/// Which of a proxy's connections are meant: those that all of this holds for; all, if nothing is said.
public struct ConnectionFilter: Sendable, Equatable {
    public var id: ConnectionID?
    /// The client's address; its port does not matter.
    public var client: PeerAddress?
    public var listener: String?
    public var pool: String?
    /// A server, by its name, also one that has gone.
    public var server: String?

    public init() {}
}

/// A connection as it is at one moment.
public struct ConnectionFacts: Sendable, Equatable {
    public enum Stage: String, Sendable {
        /// What a proxy before this one, or its TLS client, says first is awaited.
        case preface
        /// It waits for a place at a server.
        case queued
        case connecting
        case relaying
        /// One side is gone, and the other gets what is left.
        case ending
    }

    public var id: ConnectionID
    public var client: PeerAddress
    public var listener: String
    public var pool: String
    /// nil while it has none.
    public var server: String?
    public var stage: Stage
    public var bytesUpstream: Int
    public var bytesDownstream: Int
    public var age: Duration
}

/// Connections that a filter meant.
public struct ConnectionsSnapshot: Sendable, Equatable {
    /// The oldest first, as many as were asked for at most.
    public var connections: [ConnectionFacts] = []
    /// How many there are in all.
    public var total = 0

    /// The most that are told at once.
    public static let limit = 10_000

    public init() {}
}
