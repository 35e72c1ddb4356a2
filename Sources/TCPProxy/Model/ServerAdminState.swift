/// Administrative state of a server; overrides health checks and ejection.
public enum ServerAdminState: String, Sendable, CaseIterable {
    /// Takes connections, unless its health checks fail or it is ejected.
    case enabled
    /// Takes no new connections; existing connections continue.
    case draining
    /// Takes no new connections; existing connections are reset.
    case disabled
}
