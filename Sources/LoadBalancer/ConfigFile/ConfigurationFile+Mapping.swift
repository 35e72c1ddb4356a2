import ProcessSupport
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
        configuration.dropsPrivileges = ProcessIdentity.dropsPrivileges(user: user)
        configuration.recordsConnections = accessLog != nil
        return configuration
    }

    /// The listeners, in file order.
    public var listenerConfigurations: [ListenerConfiguration] {
        listeners.map { section in
            var listener = section.configuration
            listener.applySocketFileDefaults(user: user, group: group)
            if let limits = limits.first(where: { $0.name == section.limits }) {
                listener.accessPolicy.share(limits)
            }
            return listener
        }
    }
}

extension ListenerSection {
    package var configuration: ListenerConfiguration {
        var listener = ListenerConfiguration(name: name, address: listen, pool: pool)
        listener.backlog = backlog
        listener.socketFile.mode = mode
        listener.socketFile.owner = owner
        listener.socketFile.group = group
        listener.sourceAddresses = sources
        listener.timeouts = timeouts
        listener.halfClose = halfClose
        listener.keepAlive = keepAlive.map { KeepAlive(interval: $0) }
        listener.accessPolicy = accessPolicy
        listener.bandwidth = bandwidth?.bytes
        listener.bandwidthUpstream = bandwidthUpstream?.bytes
        listener.bandwidthDownstream = bandwidthDownstream?.bytes
        listener.sniPatterns = sniPatterns.map { route in
            SNIRoute(
                names: [route.pattern],
                pool: route.pool,
                tls: route.target.tls ?? .terminate,
                certificate: certificate(of: route.target)
            )
        }
        listener.alpnProtocols = alpnProtocols.map { route in
            ALPNRoute(
                protocols: [route.pattern],
                pool: route.pool,
                tls: route.target.tls ?? .terminate,
                certificate: certificate(of: route.target)
            )
        }
        listener.plainPool = plainPool
        listener.connectionProtocol = connectionProtocol
        listener.tls = tls?.loaded
        return listener
    }
}

extension ListenerSection {
    /// Returns the certificate that a route names; nil if it names none.
    private func certificate(of route: RouteTargetSection) -> TLSCertificate? {
        guard let name = route.certificate else { return nil }
        return tls?.loaded?.certificates.first { $0.chain.name == name }
    }

    var accessPolicy: AccessPolicy {
        var accessPolicy = AccessPolicy()
        // A file with contradictory lists is rejected before this point.
        if !allow.isEmpty || !deny.isEmpty { accessPolicy.access = try? AccessList(allow: allow, deny: deny) }
        accessPolicy.maxConnections = maxConnections
        accessPolicy.maxConnectionsPerClient = maxConnectionsPerClient
        accessPolicy.rate = rate?.rate
        accessPolicy.ratePerClient = ratePerClient?.rate
        accessPolicy.limitsDryRun = limitsDryRun
        accessPolicy.proxies = acceptProxy.map { TrustedProxies(header: $0, sources: trustedProxies) }
        return accessPolicy
    }
}

extension AccessPolicy {
    mutating func share(_ limits: LimitsSection) {
        sharedLimits = limits.name
        maxConnections = limits.maxConnections
        maxConnectionsPerClient = limits.maxConnectionsPerClient
        rate = limits.rate?.rate
        ratePerClient = limits.ratePerClient?.rate
        limitsDryRun = limits.limitsDryRun
    }
}

extension PoolSection {
    /// Returns the pool's configuration.
    ///
    /// - Parameter servers: the current servers of the pool, with names resolved to addresses.
    package func configuration(servers: [ServerConfiguration]) -> PoolConfiguration {
        var configuration = PoolConfiguration(name: name, policy: policy, servers: servers)
        configuration.fastestBy = fastestBy
        configuration.fastestTolerance = fastestTolerance
        configuration.queueLimit = queue.limit
        configuration.queueTimeout = queue.timeout
        configuration.onAllDown = onAllDown
        configuration.retry = retry
        configuration.proxyProtocol = sendProxy
        configuration.connectionProtocol = connectionProtocol
        configuration.tls = tls?.loaded
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
        if case .host(let host, _) = self.address { configuration.host = host }
        return configuration
    }
}
