import ProcessSupport
import Relay
import Sockets

// Validation of a configuration, and the limits derived from it and from the machine.

extension Configuration {
    /// Descriptors reserved for other uses than connections: the HTTP endpoint, name resolution, logs.
    static let reservedDescriptors = 32
    /// Descriptors of a worker in addition to its connections: poller, waker, listening socket, and one spare.
    static let descriptorsPerWorker = 4
    /// Maximum number of connections of a proxy, regardless of the descriptor limit.
    static let maxConnectionLimit = 1_000_000

    /// Validates all settings except the source addresses.
    ///
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range.
    func check() throws(ProxyError) {
        func require(_ holds: Bool, _ name: String, _ value: Any, _ allowed: String) throws(ProxyError) {
            if !holds { throw .badSetting(name: name, value: "\(value)", allowed: allowed) }
        }
        try require((1...64).contains(threads), "threads", threads, "1 to 64")
        try require((1...65_535).contains(backlog), "backlog", backlog, "1 to 65535")
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
        let durations: [(String, Duration?)] = [
            ("preread timeout", timeouts.preread), ("connect timeout", timeouts.connectAttempt),
            ("connect deadline", timeouts.connect),
            ("idle timeout", timeouts.idle), ("half-close timeout", timeouts.halfClose),
            ("lifetime", timeouts.lifetime), ("TCP user timeout", timeouts.user),
            ("keepalive interval", keepAlive?.interval), ("resolve interval", resolveInterval),
        ]
        if let bandwidth {
            let allowed = 1...Bandwidth.maxRate
            try require(allowed.contains(bandwidth), "bandwidth", bandwidth, "1 to \(Bandwidth.maxRate)")
        }
        try accessPolicy.check()
        for (name, duration) in durations {
            guard let duration else { continue }
            try require(duration > .zero, name, duration, "greater than zero, or off")
        }
    }

    /// Checks that the process can bind to each source address.
    ///
    /// - Throws: ``ProxyError/badSource(_:)`` for the first address that cannot be bound.
    func checkSources() throws(ProxyError) {
        for address in sourceAddresses {
            do throws(SystemError) {
                try LinuxSystem.tryBinding(to: address)
            } catch {
                throw .badSource(SourceAddressError(address, error))
            }
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
}

extension Configuration {
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

extension SocketOptions {
    init(_ configuration: Configuration) {
        self.init(keepAlive: configuration.keepAlive, tcpUserTimeout: configuration.timeouts.user)
    }
}

extension WorkerSettings {
    init(_ configuration: Configuration) {
        self.init(
            engine: configuration.engine,
            pipes: configuration.pipesPerWorker(descriptorLimit: DescriptorLimit.current)
        )
    }
}

extension ListenerSettings {
    /// - Parameters:
    ///   - pool: number of the default pool.
    ///   - routes: pools chosen by SNI and ALPN; nil if ClientHellos are not read.
    init(_ configuration: Configuration, pool: Int, routes: TLSRouter? = nil) {
        self.init(
            pool: pool,
            routes: routes,
            accessPolicy: configuration.accessPolicy,
            bandwidth: configuration.bandwidth.flatMap(Bandwidth.init(bytesPerSecond:)),
            deadlines: ConnectionTimeouts(
                timeouts: configuration.timeouts,
                keepAlive: configuration.keepAlive.map { min($0.interval, WorkerSettings.keepAliveAge) }
            ),
            socketOptions: SocketOptions(tcpUserTimeout: configuration.timeouts.user),
            keepAlive: configuration.keepAlive,
            sources: configuration.sourceAddresses.map { address in
                var address = address
                address.port = 0
                return RawAddress(address)
            },
            resetDrainTimeout: configuration.timeouts.resetDrainTimeout,
            hasRules: routes != nil || configuration.bandwidth != nil || !configuration.accessPolicy.isOpen
        )
    }
}
