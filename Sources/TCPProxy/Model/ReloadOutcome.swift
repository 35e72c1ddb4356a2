/// Result of a reload of the configuration. A load balancer returns it, and an admin endpoint reports it.
public enum ReloadOutcome: Sendable, Equatable {
    /// The configuration was applied; `changes` has one line for each change, including changes that take effect only
    /// after a restart.
    case applied(changes: [String], connectionsAffected: Int)
    /// The configuration was rejected and nothing has changed; one line for each error.
    case rejected([String])
}

/// Statistics of reloads since the start.
public struct ReloadStatistics: Sendable, Equatable {
    /// Total number of reloads that were applied.
    public var applied = 0
    /// Total number of reloads that were rejected.
    public var rejected = 0
    /// Time of the last applied reload, or of the start, in seconds since 1970.
    public var lastSuccess: Double
    /// Whether the last reload was applied; true before the first.
    public var wasSuccessful = true

    /// Creates statistics without reloads.
    ///
    /// - Parameter start: time of the start, in seconds since 1970.
    public init(since start: Double) {
        lastSuccess = start
    }
}
