import Sockets
import TLS

/// Validated and resolved configuration from which the workers of a proxy are created.
struct ProxyPlan: Sendable {
    struct Listener: Sendable {
        var name: String
        /// Name of the default pool.
        var pool: String
        /// Numbers of all pools that the listener forwards to.
        var pools: Set<Int>
        /// Address as configured, for messages.
        var written: ServiceAddress
        var address: SocketAddress
        var options: ListenOptions
        var settings: ListenerSettings
        /// The configuration that this was made from.
        var configuration: ListenerConfiguration
    }

    var listeners: [Listener]
    var pools: [PoolConfiguration]

    /// Validates listeners and pools and resolves the listeners' addresses.
    ///
    /// - Parameters:
    ///   - present: TLS of the listeners in use, by name: what has not changed is used again.
    ///   - number: returns the number of the pool with a name; nil numbers the pools by their index in the list.
    /// - Throws: ``ProxyError`` if an address cannot be resolved, a setting is out of range, or a pool is unknown.
    init(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        present: [String: ListenerTLSPlan] = [:],
        number: ((String) -> Int?)? = nil
    ) async throws(ProxyError) {
        let indices = Dictionary(pools.enumerated().map { ($1.name, $0) }) { first, _ in first }
        let number = number ?? { name in indices[name] }
        self.pools = pools
        self.listeners = []
        for pool in pools { try pool.check() }
        for listener in listeners {
            try listener.check()
            guard let pool = number(listener.pool) else {
                throw .unknownPool(listener.pool, listener: listener.name)
            }
            let tls = try Self.tls(of: listener, replacing: present[listener.name])
            let (routes, others) = try Self.routes(of: listener, tls, number)
            self.listeners.append(
                Listener(
                    name: listener.name,
                    pool: listener.pool,
                    pools: others.union([pool]),
                    written: listener.address,
                    address: try await Resolver.addresses(of: listener.address)[0],
                    options: ListenOptions(
                        sharing: .portOwner,
                        backlog: listener.backlog,
                        connection: SocketOptions(listener),
                        permissions: try listener.socketPermissions()
                    ),
                    settings: ListenerSettings(listener, pool: pool, routes: routes, tls: tls),
                    configuration: listener
                )
            )
        }
    }

    /// Assigns numbers to the limits that listeners share by name.
    ///
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)`` if there are too many names.
    mutating func assignSharedLimits(in memory: SharedMemory) throws(ProxyError) {
        for index in listeners.indices {
            guard let name = listeners[index].settings.accessPolicy.sharedLimits else { continue }
            guard let number = memory.limitsNumber(named: name) else {
                throw .badSetting(
                    name: "name of shared limits",
                    value: name,
                    allowed: "one of at most \(ListenerLimitsTable.maxNames) used since the start: restart the process"
                )
            }
            listeners[index].settings.sharedLimits = number
        }
    }

    /// Checks that no listener forwards connections to itself, directly or through other listeners.
    ///
    /// - Parameters:
    ///   - addresses: the addresses that the listeners are bound to, in the same order.
    ///   - pools: the pools, by number.
    /// - Throws: ``ProxyError/loop(_:listener:)``.
    func checkLoops(at addresses: [SocketAddress], _ pools: [Int: PoolConfiguration]) throws(ProxyError) {
        let graph = ForwardingGraph(
            zip(listeners, addresses).map { listener, address in
                .init(
                    name: listener.name,
                    addresses: [address],
                    pools: listener.pools.sorted().compactMap { pools[$0]?.name }
                )
            },
            servers: Dictionary(
                pools.values.map { pool in (pool.name, pool.servers.map { ($0.name, $0.address) }) },
                uniquingKeysWith: { first, _ in first }
            ),
            local: .current()
        )
        if let loop = graph.firstLoop { throw .loop("\(loop)", listener: loop.listener) }
    }

    private static func tls(
        of listener: ListenerConfiguration,
        replacing present: ListenerTLSPlan?
    ) throws(ProxyError) -> ListenerTLSPlan? {
        guard var tls = listener.tls else { return nil }
        // A client that starts TLS without a request requires that the protocol is selected (PostgreSQL 17).
        if listener.connectionProtocol == .postgres, tls.parameters.protocols.isEmpty {
            tls.parameters.protocols = [PostgresRequest.alpnProtocol]
        }
        if let present, present.configuration == tls { return present }
        do throws(TLSError) {
            let plan = try tls.plan()
            if let present { plan.keepTicketKeys(of: present) }
            return plan
        } catch {
            throw .tls(error, of: "listener \(listener.name)")
        }
    }

    /// Returns a listener's routes by SNI and ALPN (nil if no connection needs one), and the numbers of their pools.
    private static func routes(
        of listener: ListenerConfiguration,
        _ tls: ListenerTLSPlan?,
        _ number: (String) -> Int?
    ) throws(ProxyError) -> (TLSRouter?, pools: Set<Int>) {
        let needsRoute = listener.tls.map { listener.plainPool != nil || $0.unrouted == .pass } ?? false
        guard !listener.sniPatterns.isEmpty || !listener.alpnProtocols.isEmpty || needsRoute else {
            guard let plain = listener.plainPool else { return (nil, []) }
            throw .badSetting(
                name: "plain of listener \(listener.name)",
                value: plain,
                allowed: "set together with TLS or with SNI or ALPN routes, without which all connections use the pool"
            )
        }
        func pool(_ name: String) throws(ProxyError) -> Int16 {
            guard let number = number(name) else { throw .unknownPool(name, listener: listener.name) }
            return Int16(number)
        }
        func route(_ pool: Int16, _ action: TLSAction, _ certificate: TLSCertificate?) throws(ProxyError) -> TLSRoute {
            guard action == .terminate else { return TLSRoute(pool: pool, context: TLSRoute.pass) }
            guard let certificate else { return TLSRoute(pool: pool) }
            guard let context = tls?.context(of: certificate) else {
                throw .badSetting(
                    name: "certificate of a route of listener \(listener.name)",
                    value: certificate.chain.name,
                    allowed: "one of the certificates of the listener's TLS"
                )
            }
            return TLSRoute(pool: pool, context: context)
        }
        var names: [(pattern: SNIPattern, value: TLSRoute)] = []
        for entry in listener.sniPatterns {
            let route = try route(try pool(entry.pool), entry.tls, entry.certificate)
            names += entry.names.map { ($0, route) }
        }
        var protocols: [(name: ALPNProtocol, route: TLSRoute)] = []
        for entry in listener.alpnProtocols {
            let route = try route(try pool(entry.pool), entry.tls, entry.certificate)
            protocols += entry.protocols.map { ($0, route) }
        }
        guard protocols.count <= ListenerConfiguration.maxALPNProtocols else {
            throw .badSetting(
                name: "number of application protocols of listener \(listener.name)",
                value: "\(protocols.count)",
                allowed: "0 to \(ListenerConfiguration.maxALPNProtocols)"
            )
        }
        let usual = try route(try pool(listener.pool), listener.tls?.unrouted ?? .terminate, nil)
        var plain: Int16?
        if let name = listener.plainPool { plain = try pool(name) }
        do throws(SNIRoutingTableError) {
            let routes = TLSRouter(
                protocols: protocols,
                names: try SNIRoutingTable(names, otherwise: usual),
                plainPool: plain
            )
            let numbers = names.map(\.value.pool) + protocols.map(\.route.pool) + [plain].compactMap { $0 }
            return (routes, Set(numbers.map { Int($0) }))
        } catch {
            throw .sniPatterns(error, listener: listener.name)
        }
    }
}
