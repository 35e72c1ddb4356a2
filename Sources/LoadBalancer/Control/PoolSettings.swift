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
        /// What was found.
        public struct Answer: Sendable {
            /// All servers, at the addresses that they have now.
            public var servers: [ServerConfiguration]
            /// How long that may be relied on; nil if nobody said.
            public var timeToLive: Duration?

            public init(servers: [ServerConfiguration], timeToLive: Duration? = nil) {
                self.servers = servers
                self.timeToLive = timeToLive
            }
        }

        /// The longest between two look-ups.
        public var interval: Duration
        /// Looks up. While it throws, the pool keeps the servers that it has.
        public var lookUp: @Sendable () async throws -> Answer

        public init(interval: Duration, lookUp: @escaping @Sendable () async throws -> Answer) {
            self.interval = interval
            self.lookUp = lookUp
        }

        /// The shortest between two look-ups, whatever answers say and however often servers fail.
        static let rest: Duration = .seconds(1)

        /// How long after an answer the next look-up is due.
        func pause(after answer: Answer?) -> Duration {
            min(interval, max(answer?.timeToLive ?? interval, Self.rest))
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
