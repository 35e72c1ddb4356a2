import TCPProxy

// Conversion of configuration file entries to pool settings.

extension PoolSettings {
    package init(_ entry: PoolSection) {
        self.init()
        check = entry.check.map(HealthCheck.init)
        ejection = entry.ejection
        slowStart = entry.slowStart
        onServerDown = entry.onServerDown
        resolution = Resolution(of: entry.servers, every: entry.resolveInterval)
    }
}

extension PoolSettings.Resolution {
    /// Creates the settings for servers configured by name; returns nil if there are none, or if they are resolved only
    /// once.
    package init?(of servers: [ServerSection], every interval: Duration?) {
        guard let interval, servers.contains(where: \.address.isName) else { return nil }
        let names = ServerDiscovery(servers)
        self.init(interval: interval) { () async throws -> Answer in
            try await names.lookUp()
        }
    }
}
