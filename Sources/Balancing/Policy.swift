/// How a pool chooses the server for a new connection; the raw values are the names on the command line and in files.
public enum Policy: String, CaseIterable, Sendable {
    /// In turn, by weight, each server's turns spread evenly.
    case roundRobin = "round-robin"
    /// The fewest connections for its weight.
    case leastConnections = "least-connections"
    /// Two drawn by weight, and of these the one with fewer connections for its weight.
    case random
    /// By the client's address: the same server for as long as the pool stays as it is.
    case sourceHash = "source-hash"
    /// By the client's address and a table: the same server from every replica, and little movement on a change.
    case maglev
    /// The first in order that is available.
    case first
    /// The shortest time to connect, for its connections and weight.
    case fastest

    /// Whether a pick looks at the client's key.
    @inlinable
    public var usesKey: Bool { self == .sourceHash || self == .maglev }

    /// Whether a pick looks at connect times, so that somebody has to measure them.
    @inlinable
    public var usesConnectTime: Bool { self == .fastest }
}
