import Sockets

/// Validated and resolved configuration from which the workers of a proxy are created.
struct ProxyPlan: Sendable {
    struct Listener: Sendable {
        var name: String
        /// Name of the default pool.
        var pool: String
        /// Address as configured, for messages.
        var written: ServiceAddress
        var address: SocketAddress
        var options: ListenOptions
        var settings: ListenerSettings
        /// Numbers of all pools that the listener forwards to.
        var pools: Set<Int>
    }

    var listeners: [Listener]
    var pools: [PoolConfiguration]

    /// Validates listeners and pools and resolves the listeners' addresses.
    ///
    /// - Parameter number: returns the number of the pool with a name; nil numbers the pools by their index in the
    ///   list.
    /// - Throws: ``ProxyError`` if an address cannot be resolved, a setting is out of range, or a pool is unknown.
    init(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        number: ((String) -> Int?)? = nil
    ) async throws(ProxyError) {
        let number = number ?? { name in pools.firstIndex { $0.name == name } }
        self.pools = pools
        self.listeners = []
        for pool in pools { try pool.check() }
        for listener in listeners {
            try listener.check()
            guard let pool = number(listener.pool) else {
                throw .unknownPool(listener.pool, listener: listener.name)
            }
            let (routes, others) = try Self.routes(of: listener, number)
            self.listeners.append(
                Listener(
                    name: listener.name,
                    pool: listener.pool,
                    written: listener.address,
                    address: try await Resolver.addresses(of: listener.address)[0],
                    options: ListenOptions(
                        sharing: .portOwner,
                        backlog: listener.backlog,
                        connection: SocketOptions(listener)
                    ),
                    settings: ListenerSettings(listener, pool: pool, routes: routes),
                    pools: others.union([pool])
                )
            )
        }
    }

    /// Returns a listener's pools by SNI and ALPN (nil if it has no such routes), and the numbers of these pools.
    private static func routes(
        of listener: ListenerConfiguration,
        _ number: (String) -> Int?
    ) throws(ProxyError) -> (TLSRouter?, pools: Set<Int>) {
        guard !listener.sniPatterns.isEmpty || !listener.alpnProtocols.isEmpty else { return (nil, []) }
        func pool(_ name: String) throws(ProxyError) -> Int16 {
            guard let number = number(name) else { throw .unknownPool(name, listener: listener.name) }
            return Int16(number)
        }
        var names: [(pattern: SNIPattern, value: Int16)] = []
        for route in listener.sniPatterns {
            let pool = try pool(route.pool)
            names += route.names.map { ($0, pool) }
        }
        var protocols: [(name: ALPNProtocol, pool: Int16)] = []
        for route in listener.alpnProtocols {
            let pool = try pool(route.pool)
            protocols += route.protocols.map { ($0, pool) }
        }
        guard protocols.count <= ListenerConfiguration.maxALPNProtocols else {
            throw .badSetting(
                name: "number of application protocols of listener \(listener.name)",
                value: "\(protocols.count)",
                allowed: "0 to \(ListenerConfiguration.maxALPNProtocols)"
            )
        }
        let usual = try pool(listener.pool)
        do throws(SNIRoutingTableError) {
            let routes = TLSRouter(protocols: protocols, names: try SNIRoutingTable(names, otherwise: usual))
            return (routes, Set(names.map { Int($0.value) } + protocols.map { Int($0.pool) }))
        } catch {
            throw .sniPatterns(error, listener: listener.name)
        }
    }
}
