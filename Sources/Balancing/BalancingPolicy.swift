/// The policy by which a pool selects the server for a new connection. The raw values are the names on the command line
/// and in configuration files.
public enum BalancingPolicy: String, CaseIterable, Sendable {
    /// Rotation by weight; the turns of each server are evenly spaced.
    case roundRobin = "round-robin"
    /// The fewest connections relative to the weight.
    case leastConnections = "least-connections"
    /// Two servers drawn by weight; of these, the one with fewer connections relative to its weight.
    case random
    /// Hash of the client's address: the same server as long as the pool does not change.
    case sourceHash = "source-hash"
    /// Hash of the client's address with a Maglev table: all replicas select the same server, and few clients move on a
    /// change.
    case maglev
    /// The first available server in configuration order.
    case first
    /// The shortest latency relative to connections and weight.
    case fastest

    /// Whether a pick uses the key of the client.
    @inlinable
    public var usesKey: Bool { self == .sourceHash || self == .maglev }
}
