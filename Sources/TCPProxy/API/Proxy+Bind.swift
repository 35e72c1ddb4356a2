public import Sockets

// Binding a proxy: validation, name resolution, and the listening sockets.

extension Proxy {
    /// Binds a proxy with one listener and one upstream, with the default settings of a listener.
    ///
    /// Listens from this call on; connections are accepted from ``run()`` on.
    ///
    /// - Parameters:
    ///   - listen: `127.0.0.1:8080`, `[::1]:8080`, `:8080`, `localhost:8080` or `unix:/path`. Port 0 selects a free
    ///     port.
    ///   - upstream: an address of the same form, with a port from 1 to 65535. A host name is resolved, and all its
    ///     addresses are tried in turn.
    ///   - proxyProtocol: version of the PROXY protocol header that is sent to the upstream ahead of the client's
    ///     bytes; nil sends no header.
    ///   - configuration: settings of the whole process: threads, limits, engine, shutdown.
    /// - Throws: ``ProxyError``, whose description is a message for the user.
    public static func bind(
        _ listen: String,
        to upstream: String,
        proxyProtocol: ProxyProtocolVersion? = nil,
        configuration: ProxyConfiguration = ProxyConfiguration()
    ) async throws(ProxyError) -> Proxy {
        let addresses: (ServiceAddress, ServiceAddress)
        do throws(AddressParseError) {
            addresses = (try ServiceAddress(parsing: listen), try ServiceAddress(parsing: upstream))
        } catch {
            throw .address(error)
        }
        return try await bind(
            ListenerConfiguration(address: addresses.0),
            to: addresses.1,
            proxyProtocol: proxyProtocol,
            configuration: configuration
        )
    }

    /// Binds a proxy with one listener and one upstream.
    ///
    ///     var listener = ListenerConfiguration(address: try ServiceAddress(parsing: "127.0.0.1:8080"))
    ///     listener.timeouts.idle = .seconds(60)
    ///     let proxy = try await Proxy.bind(listener, to: try ServiceAddress(parsing: "example.com:80"))
    ///
    /// - Parameters:
    ///   - listener: address and settings of the listener; its ``ListenerConfiguration/pool`` is ignored.
    ///   - upstream: address of the upstream, with a port from 1 to 65535.
    ///   - proxyProtocol: version of the PROXY protocol header that is sent to the upstream; nil sends no header.
    ///   - tls: TLS with the upstream; nil sends it the bytes as they are.
    ///   - serverProtocol: protocol of the upstream, which decides how TLS with it begins.
    ///   - configuration: settings of the whole process: threads, limits, engine, shutdown.
    /// - Throws: ``ProxyError``, whose description is a message for the user.
    public static func bind(
        _ listener: ListenerConfiguration,
        to upstream: ServiceAddress,
        proxyProtocol: ProxyProtocolVersion? = nil,
        tls: PoolTLS? = nil,
        serverProtocol: ConnectionProtocol = .tcp,
        configuration: ProxyConfiguration = ProxyConfiguration()
    ) async throws(ProxyError) -> Proxy {
        try await bind(
            listener,
            to: upstream,
            proxyProtocol: proxyProtocol,
            tls: tls,
            serverProtocol: serverProtocol,
            configuration: configuration,
            lookUp: Resolver.addresses
        )
    }

    /// Binds a proxy with one listener and one upstream, whose name another resolver than the system's resolves.
    ///
    /// - Parameters:
    ///   - inherited: the socket of the service manager to listen on; nil opens a new one.
    ///   - lookUp: returns all addresses of the upstream, at least one.
    package static func bind(
        _ listener: ListenerConfiguration,
        to upstream: ServiceAddress,
        proxyProtocol: ProxyProtocolVersion?,
        tls: PoolTLS? = nil,
        serverProtocol: ConnectionProtocol = .tcp,
        configuration: ProxyConfiguration,
        inherited: InheritedSocket? = nil,
        lookUp: @escaping UpstreamLookup
    ) async throws(ProxyError) -> Proxy {
        try configuration.check()
        try listener.check()
        await ConcurrencyWarmUp.done
        if let port = upstream.port, port == 0 {
            throw .badSetting(name: "upstream port", value: "0", allowed: "1 to 65535")
        }
        let addresses = try await lookUp(upstream)
        var pool = PoolConfiguration(upstream: "\(upstream)", at: addresses)
        pool.proxyProtocol = proxyProtocol
        pool.tls = tls
        pool.connectionProtocol = serverProtocol
        if pool.tls != nil, pool.tls?.serverName == nil, case .name(let host, _) = upstream {
            pool.tls?.serverName = host
        }
        var listener = listener
        listener.pool = pool.name
        let plan = try await ProxyPlan(listeners: [listener], pools: [pool])
        let sockets = inherited.map { [listener.name: $0] } ?? [:]
        let core = try ProxyRuntime(plan, configuration: configuration, inherited: sockets)
        return Proxy(upstream: upstream, configuration: configuration, core: core, lookUp: lookUp)
    }

    /// Binds a proxy with several listeners that distribute connections over pools of servers.
    ///
    /// - Parameters:
    ///   - listeners: 1 to ``maxListeners``.
    ///   - pools: 1 to ``maxPools``.
    ///   - configuration: settings of the whole process: threads, limits, engine, shutdown.
    /// - Throws: ``ProxyError``, whose description is a message for the user.
    public static func bind(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        configuration: ProxyConfiguration = ProxyConfiguration()
    ) async throws(ProxyError) -> Proxy {
        try await bind(listeners: listeners, pools: pools, configuration: configuration, inherited: [:])
    }

    /// Binds a proxy whose listeners use sockets that the service manager has opened.
    ///
    /// - Parameter inherited: the sockets by the names of their listeners. The proxy closes its descriptors; the sockets
    ///   stay open in the service manager.
    package static func bind(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        configuration: ProxyConfiguration,
        inherited: [String: InheritedSocket]
    ) async throws(ProxyError) -> Proxy {
        try configuration.check()
        try checkCounts(listeners, pools)
        await ConcurrencyWarmUp.done
        let plan = try await ProxyPlan(listeners: listeners, pools: pools)
        let core = try ProxyRuntime(plan, configuration: configuration, inherited: inherited)
        return Proxy(upstream: nil, configuration: configuration, core: core)
    }

    /// Validates the numbers of listeners and pools.
    static func checkCounts(
        _ listeners: [ListenerConfiguration],
        _ pools: [PoolConfiguration]
    ) throws(ProxyError) {
        func check(_ count: Int, _ what: String, _ max: Int) throws(ProxyError) {
            guard !(1...max).contains(count) else { return }
            throw .badSetting(name: "number of \(what)", value: "\(count)", allowed: "1 to \(max)")
        }
        try check(listeners.count, "listeners", maxListeners)
        try check(pools.count, "pools", maxPools)
        let servers = pools.reduce(0) { $0 + $1.servers.count }
        guard servers <= maxServers else { throw .tooManyServers(limit: maxServers) }
    }

    /// Maximum number of listeners of a proxy.
    public static var maxListeners: Int { 1024 }
    /// Maximum number of pools of a proxy.
    public static var maxPools: Int { 1024 }
    /// Maximum number of servers in all pools of a proxy together.
    public static var maxServers: Int { SharedServerTable.maxConfigured }
}
