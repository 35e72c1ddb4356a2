import Balancing
import TCPProxy

// How the file says that a pool is watched.

extension PoolSettings {
    public init(_ entry: PoolEntry) {
        self.init()
        check = entry.check.map(HealthCheck.init)
        ejection = entry.ejection.map(EjectionSettings.init)
        slowStart = entry.slowStart
        whenDown = entry.whenDown
        resolution = Resolution(of: entry.servers, every: entry.resolveInterval)
    }
}

extension PoolSettings.Resolution {
    /// Of the servers that are given by name; nil if none is, or if they are resolved once only.
    public init?(of servers: [ServerEntry], every interval: Duration?) {
        guard let interval, servers.contains(where: \.address.isName) else { return nil }
        let names = ServerNames(servers)
        self.init(interval: interval) { () async throws -> Answer in
            try await names.lookUp()
        }
    }
}

extension EjectionSettings {
    init(_ entry: EjectionEntry) {
        self.init(
            limits: FailureWindow.Limits(
                consecutive: entry.consecutiveFailures,
                percent: entry.failureShare,
                leastAttempts: entry.minimumAttempts,
                window: entry.window.clampedNanoseconds
            ),
            base: entry.base,
            longest: entry.longest,
            mostEjected: EjectionBudget(percent: entry.mostEjected)
        )
    }
}
