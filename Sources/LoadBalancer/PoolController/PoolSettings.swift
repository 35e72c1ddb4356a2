public import TCPProxy
import ValueFormats

/// Health check, ejection, slow start and DNS settings of a pool.
public struct PoolSettings: Sendable {
    /// nil disables health checks.
    public var check: HealthCheck?
    /// nil disables ejection.
    public var ejection: EjectionSettings? = EjectionSettings()
    /// Time in which the weight of a server that came up grows to its full value; nil applies it immediately.
    public var slowStart: Duration? = Settings.slowStart.defaultValue
    /// What happens to existing connections to a server when its checks fail.
    public var onServerDown = Settings.onServerDown.defaultValue
    /// nil keeps the servers that the pool was started with.
    public var resolution: Resolution?

    /// How the servers of a pool are re-resolved, because their names may resolve to other addresses.
    public struct Resolution: Sendable {
        /// Result of a lookup.
        public struct Answer: Sendable {
            /// All servers at their current addresses.
            public var servers: [ServerConfiguration]
            /// TTL of the answer; nil if none was given.
            public var timeToLive: Duration?
            /// Why names have no new answer, one text for each: their servers are those known from before, or
            /// unresolved.
            public var failures: [String] = []

            /// Creates a result.
            public init(servers: [ServerConfiguration], timeToLive: Duration? = nil) {
                self.servers = servers
                self.timeToLive = timeToLive
            }
        }

        /// Maximum time between two lookups.
        public var interval: Duration
        /// Resolves the servers. If it throws, the pool keeps its current ones.
        public var lookUp: @Sendable () async throws -> Answer
        /// The answer that the pool starts with: its TTL determines when the first lookup is due.
        public var first: Answer?

        /// Creates settings that resolve the servers with `lookUp`.
        public init(interval: Duration, lookUp: @escaping @Sendable () async throws -> Answer) {
            self.interval = interval
            self.lookUp = lookUp
        }

        /// Minimum time between two lookups, however short the TTL and however often servers fail; a shorter `interval`
        /// takes precedence.
        static let rest: Duration = .seconds(1)

        /// Returns the time from an answer to the next lookup.
        func pause(after answer: Answer?) -> Duration {
            min(interval, max(answer?.timeToLive ?? interval, Self.rest))
        }
    }

    /// What happens to existing connections to a server when its checks fail.
    public enum OnServerDown: String, Sendable, CaseIterable {
        /// Connections stay open.
        case keep
        /// Connections are reset, so that clients reconnect to another server.
        case close
    }

    /// Creates the default settings: no health checks, ejection with its defaults, no slow start.
    public init() {}
}
