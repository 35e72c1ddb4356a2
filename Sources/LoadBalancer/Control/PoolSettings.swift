public import Balancing
public import TCPProxy

/// How the servers of a pool are watched, and what becomes of one that fails.
public struct PoolSettings: Sendable {
    /// nil checks nothing.
    public var check: HealthCheck?
    /// nil ejects nobody.
    public var ejection: EjectionSettings? = EjectionSettings()
    /// How long a server that came up takes to get its whole share of connections; nil gives it at once.
    public var slowStart: Duration?
    /// What becomes of the connections of a server whose checks begin to fail.
    public var whenDown = WhenDown.keep
    /// nil keeps the servers that the proxy was bound with.
    public var resolution: Resolution?

    /// How a pool's servers are found anew, whose names may stand for other addresses by now.
    public struct Resolution: Sendable {
        /// Between two look-ups.
        public var interval: Duration
        /// All servers, at the addresses that they have now. While it throws, the pool keeps those that it has.
        public var servers: @Sendable () async throws -> [ServerConfiguration]

        public init(interval: Duration, servers: @escaping @Sendable () async throws -> [ServerConfiguration]) {
            self.interval = interval
            self.servers = servers
        }
    }

    public enum WhenDown: String, Sendable, CaseIterable {
        /// They go on for as long as they can.
        case keep
        /// They are reset, so that clients come back and find another server.
        case close
    }

    public init() {}
}

/// When a server is left out because clients' attempts to connect to it fail, and for how long.
public struct EjectionSettings: Sendable, Equatable {
    public var limits: FailureWindow.Limits
    /// How long the first time.
    public var base: Duration
    /// How long at most; each time is twice as long as the one before.
    public var longest: Duration
    /// How many percent of a pool's servers may be out at once.
    public var mostEjected: EjectionBudget

    public init(
        limits: FailureWindow.Limits = FailureWindow.Limits(),
        base: Duration = .seconds(10),
        longest: Duration = .seconds(300),
        mostEjected: EjectionBudget = EjectionBudget(percent: 50)
    ) {
        self.limits = limits
        self.base = base
        self.longest = longest
        self.mostEjected = mostEjected
    }
}
