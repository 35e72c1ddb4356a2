// Validation of the settings of a pool and of its servers.

extension PoolConfiguration {
    /// Validates the settings of the pool and of its servers.
    ///
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range.
    func check() throws(ProxyError) {
        func require(_ holds: Bool, _ what: String, _ value: Any, _ allowed: String) throws(ProxyError) {
            if !holds { throw .badSetting(name: "\(what) of pool \(name)", value: "\(value)", allowed: allowed) }
        }
        let most = Self.maxServers
        try require((1...most).contains(servers.count), "number of servers", servers.count, "1 to \(most)")
        try require(queueLimit >= 0, "queue limit", queueLimit, "at least 0")
        if let queueTimeout {
            try require(queueTimeout > .zero, "queue timeout", queueTimeout, "greater than zero, or off")
        }
        for server in servers {
            try require(
                (0...256).contains(server.weight),
                "weight of server \(server.name)",
                server.weight,
                "0 to 256"
            )
            if let most = server.maxConnections {
                try require(most > 0, "connection limit of server \(server.name)", most, "at least 1")
            }
        }
    }
}
