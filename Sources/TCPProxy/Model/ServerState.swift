/// State of a server, which determines whether it receives new connections.
public enum ServerState: String, Sendable, CaseIterable {
    /// The health checks pass.
    case up
    /// Not checked yet, or not checked at all. Receives new connections.
    case unchecked
    /// The health checks fail.
    case down
    /// The server's name has no address yet; it is resolved again.
    case unresolved
    /// Too many connection attempts of clients failed; the server is readmitted after a while.
    case ejected
    /// Receives no new connections: requested by an administrator. Existing connections stay open.
    case draining
    /// Like `draining`, but existing connections were reset.
    case disabled

    /// Whether new connections are sent to a server in this state.
    public var takesConnections: Bool { self == .up || self == .unchecked }
}
