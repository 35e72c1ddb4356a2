public import TCPProxy

/// What the endpoint lets people change: all of a running program that it reaches beyond an ``AdminSource``.
public protocol AdminControl: Sendable {
    /// Reads the configuration anew; nil where there is none to read.
    func reload() async -> ReloadAnswer?

    /// How the reloads went so far; nil where there is nothing to reload.
    var reloads: ReloadFigures? { get }

    /// Has a server take connections otherwise.
    ///
    /// - Throws: ``AdminRefusal`` where there is no such server.
    func order(_ order: AdminOrder, server: String, pool: String) async throws(AdminRefusal)

    /// The connections that a filter means, the oldest first.
    func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionsSnapshot

    /// Resets the connections that a filter means.
    ///
    /// - Returns: how many.
    func cut(_ filter: ConnectionFilter) async -> Int
}

/// What may be ordered about a server while the program runs.
public enum AdminOrder: Sendable, Equatable {
    case enable
    /// No new connections; those that it has go on.
    case drain
    /// The same, and those that it has are reset.
    case disable
    /// In place of the configured weight, 0 to 256; nil is that one again.
    case weight(Int?)
}

/// Why something could not be done, in a sentence that says how to mend it.
public struct AdminRefusal: Error, Sendable, Equatable {
    public var text: String

    public init(_ text: String) {
        self.text = text
    }
}

/// How a reload went.
public enum ReloadAnswer: Sendable, Equatable {
    /// What has changed, a line each; what changes only at the next start among them.
    case done(changes: [String], connectionsAffected: Int)
    /// Nothing has changed, and why not, a line each.
    case refused([String])
}

/// How reloads have gone.
public struct ReloadFigures: Sendable, Equatable {
    public var done = 0
    public var refused = 0
    /// Of the last that was done, or of the start; in seconds since 1970.
    public var lastSuccess = 0.0
    /// Whether the last one was done; true before the first.
    public var wasSuccessful = true

    public init() {}
}
