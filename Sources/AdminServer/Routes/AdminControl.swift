public import TCPProxy

/// The control operations of the endpoint, beyond the read-only ``AdminSource``.
public protocol AdminControl: Sendable {
    /// Reloads the configuration; returns nil if there is no configuration file.
    func reload() async -> ReloadAnswer?

    /// The reload statistics; nil if there is no configuration file.
    var reloads: ReloadFigures? { get }

    /// Changes the administrative state or the weight of a server.
    ///
    /// - Throws: ``AdminRequestError`` if the server does not exist.
    func order(_ order: AdminOrder, server: String, pool: String) async throws(AdminRequestError)

    /// Returns the connections that match a filter, oldest first.
    func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionsSnapshot

    /// Resets the connections that match a filter.
    ///
    /// - Returns: the number of connections.
    func closeConnections(_ filter: ConnectionFilter) async -> Int
}

/// An administrative change to a server at run time.
public enum AdminOrder: Sendable, Equatable {
    case enable
    /// No new connections; existing connections continue.
    case drain
    /// No new connections; existing connections are reset.
    case disable
    /// Overrides the configured weight, 0 to 256; nil restores it.
    case weight(Int?)
}

/// The reason why a request was rejected, in one sentence that says how to fix it.
public struct AdminRequestError: Error, Sendable, Equatable {
    public var text: String

    public init(_ text: String) {
        self.text = text
    }
}

/// The result of a reload.
public enum ReloadAnswer: Sendable, Equatable {
    /// One line for each change, including changes that apply only after a restart.
    case done(changes: [String], connectionsAffected: Int)
    /// One line for each error; the configuration is unchanged.
    case refused([String])
}

/// Reload statistics.
public struct ReloadFigures: Sendable, Equatable {
    public var done = 0
    public var refused = 0
    /// Time of the last successful reload, or of the start, in seconds since 1970.
    public var lastSuccess = 0.0
    /// Whether the last reload succeeded; true before the first.
    public var wasSuccessful = true

    public init() {}
}
