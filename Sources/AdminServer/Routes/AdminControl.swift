public import TCPProxy

/// The control operations of the endpoint, beyond the read-only ``AdminSource``.
public protocol AdminControl: Sendable {
    /// Reloads the configuration; returns nil if there is no configuration file.
    func reload() async -> ReloadOutcome?

    /// The reload statistics; nil if there is no configuration file.
    var reloads: ReloadStatistics? { get }

    /// Sets the administrative state of a server.
    ///
    /// - Throws: ``AdminRequestError`` if the server does not exist.
    func setAdminState(_ state: ServerAdminState, server: String, pool: String) async throws(AdminRequestError)

    /// Overrides the configured weight of a server.
    ///
    /// - Parameters:
    ///   - weight: 0 to 256; nil restores the configured weight.
    ///   - server: name of the server.
    ///   - pool: name of its pool.
    /// - Throws: ``AdminRequestError`` if the server does not exist.
    func setWeight(_ weight: Int?, server: String, pool: String) async throws(AdminRequestError)

    /// Closes a share of a server's connections, those that have been idle the longest.
    ///
    /// - Parameters:
    ///   - percent: 1 to 100.
    ///   - server: name of the server.
    ///   - pool: name of its pool.
    /// - Returns: the number of connections closed.
    /// - Throws: ``AdminRequestError`` if the server does not exist.
    func rebalance(_ percent: Int, server: String, pool: String) async throws(AdminRequestError) -> Int

    /// Returns the connections that match a filter, oldest first.
    func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionsSnapshot

    /// Resets the connections that match a filter.
    ///
    /// - Returns: the number of connections.
    func closeConnections(_ filter: ConnectionFilter) async -> Int
}

/// The reason why a request was rejected, in one sentence that says how to fix it.
public struct AdminRequestError: Error, Sendable, Equatable {
    /// The sentence.
    public var text: String

    /// Creates an error with a sentence.
    public init(_ text: String) {
        self.text = text
    }
}
