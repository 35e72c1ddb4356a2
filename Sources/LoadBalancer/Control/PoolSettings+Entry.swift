import Balancing
import TCPProxy

// Conversion of configuration file entries to pool settings.

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
    /// Creates the settings for servers configured by name; returns nil if there are none, or if they are resolved only
    /// once.
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
