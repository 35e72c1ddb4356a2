package import TCPProxy

// Conversion of configuration file entries to pool settings.

extension PoolSettings {
    /// - Parameters:
    ///   - discovery: resolver of the pool's servers.
    ///   - first: the answer that the pool starts with.
    init(_ entry: PoolSection, resolving discovery: ServerDiscovery, first: Resolution.Answer) {
        self.init()
        check = entry.check.map(HealthCheck.init)
        ejection = entry.ejection
        slowStart = entry.slowStart
        onServerDown = entry.onServerDown
        resolution = Resolution(of: entry.servers, by: discovery, every: entry.resolveInterval, first: first)
    }
}

extension PoolSettings.Resolution {
    /// Creates the settings for servers configured by name; returns nil if there are none, or if they are resolved only
    /// once.
    init?(of servers: [ServerSection], by discovery: ServerDiscovery, every interval: Duration?, first: Answer) {
        guard let interval, servers.contains(where: \.address.isName) else { return nil }
        self.init(interval: interval) { () async throws -> Answer in
            await discovery.lookUp().answer
        }
        self.first = first
    }
}

extension [ServerSection] {
    /// Resolves the servers of all entries, like ``resolved()``.
    ///
    /// - Parameter interval: maximum time between two lookups; nil resolves the servers only once.
    /// - Returns: the answer, and the settings for the lookups after it.
    package func resolved(
        every interval: Duration?
    ) async throws(ProxyError) -> (answer: PoolSettings.Resolution.Answer, resolution: PoolSettings.Resolution?) {
        let discovery = ServerDiscovery(self)
        let answer = try await resolved(by: discovery)
        return (answer, PoolSettings.Resolution(of: self, by: discovery, every: interval, first: answer))
    }
}
