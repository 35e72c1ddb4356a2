import ValueFormats

// Validation of the settings of a pool and of its servers.

extension PoolConfiguration {
    /// Validates the settings of the pool and of its servers.
    ///
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range.
    func check() throws(ProxyError) {
        guard (1...Self.maxServers).contains(servers.count) else {
            throw .badSetting(
                name: "number of servers of pool \(name)",
                value: "\(servers.count)",
                allowed: "1 to \(Self.maxServers)"
            )
        }
        try Settings.fastestTolerance.check(fastestTolerance, of: " of pool \(name)")
        try Settings.queueLimit.check(queueLimit, of: " of pool \(name)")
        try Settings.queueTimeout.check(queueTimeout, of: " of pool \(name)")
        try Settings.retry.check(retry, of: " of pool \(name)")
        for server in servers {
            let owner = " of server \(server.name) of pool \(name)"
            try ServerConfiguration.Settings.weight.check(server.weight, of: owner)
            try ServerConfiguration.Settings.maxConnections.check(server.maxConnections, of: owner)
        }
    }
}
