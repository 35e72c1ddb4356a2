public import TCPProxy
import ValueFormats

// Conversion of configuration file entries to the configuration of the proxy.

extension ConfigurationFile {
    /// The process-wide settings.
    public var process: ProxyConfiguration {
        var configuration = ProxyConfiguration()
        configuration.threads = threads
        configuration.maxConnections = maxConnections
        configuration.engine = engine
        configuration.maxPipes = maxPipes
        configuration.grace = grace
        configuration.drainDelay = drainDelay
        configuration.recordsConnections = accessLog != nil
        return configuration
    }

    /// The listeners, in file order.
    public var listenerConfigurations: [ListenerConfiguration] { listeners.map(\.configuration) }

    /// Settings of the pools' controller, in file order.
    public var poolSettings: [PoolSettings] { pools.map(PoolSettings.init) }

    /// Returns the pools with the names of their servers resolved, in file order.
    ///
    /// - Throws: `ProxyError.unknownHost(_:detail:)`.
    public func resolvedPools() async throws(ProxyError) -> [PoolConfiguration] {
        var resolved: [PoolConfiguration] = []
        for pool in pools { resolved.append(pool.configuration(servers: try await pool.servers.resolved())) }
        return resolved
    }
}

extension ListenerSection {
    package var configuration: ListenerConfiguration {
        var listener = ListenerConfiguration(name: name, address: listen, pool: pool)
        listener.backlog = backlog
        listener.sourceAddresses = sources
        listener.timeouts = timeouts
        listener.keepAlive = keepAlive.map { KeepAlive(interval: $0) }
        listener.accessPolicy = accessPolicy
        listener.bandwidth = bandwidth?.bytes
        listener.sniPatterns = sniPatterns.map { SNIRoute(names: [$0.pattern], pool: $0.pool) }
        listener.alpnProtocols = alpnProtocols.map { route in
            ALPNRoute(protocols: [route.pattern], pool: route.pool)
        }
        return listener
    }
}

extension ListenerSection {
    private var accessPolicy: AccessPolicy {
        var accessPolicy = AccessPolicy()
        // A file with contradictory lists is rejected before this point.
        if !allow.isEmpty || !deny.isEmpty { accessPolicy.access = try? AccessList(allow: allow, deny: deny) }
        accessPolicy.maxConnections = maxConnections
        accessPolicy.maxConnectionsPerClient = maxConnectionsPerClient
        accessPolicy.rate = rate?.rate
        accessPolicy.ratePerClient = ratePerClient?.rate
        accessPolicy.proxies = acceptProxy.map { TrustedProxies(header: $0, networks: trustedProxies) }
        return accessPolicy
    }
}

extension PoolSection {
    /// Returns the pool's configuration.
    ///
    /// - Parameter servers: the current servers of the pool, with names resolved to addresses.
    package func configuration(servers: [ServerConfiguration]) -> PoolConfiguration {
        var configuration = PoolConfiguration(name: name, policy: policy, servers: servers)
        configuration.queueLimit = queue.limit
        configuration.queueTimeout = queue.timeout
        configuration.onAllDown = onAllDown
        configuration.proxyProtocol = sendProxy
        return configuration
    }
}

extension ServerSection {
    /// Returns the configuration of the server at one of its addresses.
    ///
    /// - Parameter name: name of this server if a host name resolves to several; nil uses the entry's name.
    package func configuration(at address: SocketAddress, name: String? = nil) -> ServerConfiguration {
        var configuration = ServerConfiguration(name: name ?? self.name, address: address)
        configuration.weight = weight
        configuration.isBackup = backup
        configuration.maxConnections = maxConnections
        return configuration
    }
}
