import Sockets

/// What the workers of a proxy are made for: checked, names resolved.
struct CorePlan: Sendable {
    struct Listener: Sendable {
        var name: String
        /// The name of its pool.
        var pool: String
        /// As it was written, for messages.
        var written: ServiceAddress
        var address: SocketAddress
        var options: ListenOptions
        var settings: ListenerSettings
        /// The numbers of all pools that it forwards to.
        var pools: Set<Int>
    }

    var listeners: [Listener]
    var pools: [PoolConfiguration]

    /// - Parameter number: of a pool, by its name; their places in the list, if nothing else is said.
    /// - Throws: ``ProxyError`` for an address that cannot be resolved, a setting out of range, or a pool that is not there.
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
            try listener.configuration.check()
            try listener.configuration.checkSources()
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
                        sharing: .founding,
                        backlog: listener.configuration.backlog,
                        connection: SocketOptions(listener.configuration)
                    ),
                    settings: ListenerSettings(listener.configuration, pool: pool, routes: routes),
                    pools: others.union([pool])
                )
            )
        }
    }

    /// A listener's pools by what TLS clients ask for; nil if it does not go by that. And their numbers.
    private static func routes(
        of listener: ListenerConfiguration,
        _ number: (String) -> Int?
    ) throws(ProxyError) -> (ClientHelloRoutes?, pools: Set<Int>) {
        guard !listener.serverNames.isEmpty || !listener.applicationProtocols.isEmpty else { return (nil, []) }
        func pool(_ name: String) throws(ProxyError) -> Int16 {
            guard let number = number(name) else { throw .unknownPool(name, listener: listener.name) }
            return Int16(number)
        }
        var names: [(pattern: ServerNamePattern, value: Int16)] = []
        for route in listener.serverNames {
            let pool = try pool(route.pool)
            names += route.names.map { ($0, pool) }
        }
        var protocols: [(name: ApplicationProtocol, pool: Int16)] = []
        for route in listener.applicationProtocols {
            let pool = try pool(route.pool)
            protocols += route.protocols.map { ($0, pool) }
        }
        guard protocols.count <= ListenerConfiguration.mostApplicationProtocols else {
            throw .badSetting(
                name: "the number of application protocols of listener \(listener.name)",
                value: "\(protocols.count)",
                allowed: "0 to \(ListenerConfiguration.mostApplicationProtocols)"
            )
        }
        let usual = try pool(listener.pool)
        do throws(ServerNameTableError) {
            let routes = ClientHelloRoutes(protocols: protocols, names: try ServerNameTable(names, otherwise: usual))
            return (routes, Set(names.map { Int($0.value) } + protocols.map { Int($0.pool) }))
        } catch {
            throw .serverNames(error, listener: listener.name)
        }
    }
}

extension PoolConfiguration {
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` for the first setting that is out of range.
    func check() throws(ProxyError) {
        func require(_ holds: Bool, _ what: String, _ value: Any, _ allowed: String) throws(ProxyError) {
            if !holds { throw .badSetting(name: "\(what) of pool \(name)", value: "\(value)", allowed: allowed) }
        }
        let most = Self.mostServers
        try require((1...most).contains(servers.count), "the number of servers", servers.count, "1 to \(most)")
        try require(queueLimit >= 0, "the queue's limit", queueLimit, "0 or more")
        if let queueTimeout {
            try require(queueTimeout > .zero, "the queue's time-out", queueTimeout, "longer than zero, or off")
        }
        for server in servers {
            try require(
                (0...256).contains(server.weight),
                "the weight of server \(server.name)",
                server.weight,
                "0 to 256"
            )
            if let most = server.maxConnections {
                try require(most > 0, "the maximum of connections of server \(server.name)", most, "1 or more")
            }
        }
    }
}
