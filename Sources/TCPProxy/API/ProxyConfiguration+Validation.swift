import ProcessSupport

// Validation of the settings of a proxy, and the limits derived from them and from the machine.

extension ProxyConfiguration {
    /// Descriptors reserved for other uses than connections: the HTTP endpoint, name resolution, logs.
    static let reservedDescriptors = 32
    /// Descriptors of a worker in addition to its connections: poller, waker, listening socket, and one spare.
    static let descriptorsPerWorker = 4
    /// Maximum number of connections of a proxy, regardless of the descriptor limit.
    static let maxConnectionLimit = 1_000_000

    /// Validates all settings.
    ///
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range.
    func check() throws(ProxyError) {
        func require(_ holds: Bool, _ name: String, _ value: Any, _ allowed: String) throws(ProxyError) {
            if !holds { throw .badSetting(name: name, value: "\(value)", allowed: allowed) }
        }
        try require((1...64).contains(threads), "threads", threads, "1 to 64")
        if let maxPipes { try require((0...4096).contains(maxPipes), "pipe limit", maxPipes, "0 to 4096") }
        if let maxConnections {
            let allowed = 1...Self.maxConnectionLimit
            try require(
                allowed.contains(maxConnections),
                "connection limit",
                maxConnections,
                "1 to \(Self.maxConnectionLimit)"
            )
        }
        if let resolveInterval {
            try require(resolveInterval > .zero, "resolve interval", resolveInterval, "greater than zero, or off")
        }
    }

    /// Raises the descriptor limit as far as possible and returns the maximum number of open connections.
    ///
    /// - Throws: ``ProxyError/descriptorLimit(limit:wanted:connections:)`` if the limit is too low for the requested
    ///   number.
    func connectionLimit() throws(ProxyError) -> Int {
        let limit = DescriptorLimit.raise()
        let others =
            DescriptorCount.now + Self.reservedDescriptors
            + threads * (Self.descriptorsPerWorker + 2 * pipesPerWorker(descriptorLimit: limit))
        if let maxConnections {
            let wanted = others + 2 * maxConnections
            guard wanted <= limit else {
                throw .descriptorLimit(limit: limit, wanted: wanted, connections: maxConnections)
            }
            return maxConnections
        }
        guard limit >= others + 2 else { throw .descriptorLimit(limit: limit, wanted: others + 2, connections: 1) }
        return min((limit - others) / 2, Self.maxConnectionLimit)
    }

    /// Divisor of the descriptor limit: pipes of all workers together may use one descriptor in 8.
    static let pipeShare = 8

    /// Returns the maximum number of pipes per worker: its share of the pipes that the descriptor limit and the limit
    /// on pipe pages allow.
    func pipesPerWorker(descriptorLimit: Int) -> Int {
        if engine == .copy { return 0 }
        if let maxPipes { return maxPipes }
        let byDescriptors = descriptorLimit / Self.pipeShare / 2 / threads
        let byPages = PipePages.available.map { $0 / PipePages.perPipe / threads } ?? .max
        return min(64, byDescriptors, byPages)
    }
}
