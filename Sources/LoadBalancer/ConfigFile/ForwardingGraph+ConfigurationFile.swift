import Sockets
import TCPProxy

// The graph of the listeners and pools of a file.

extension ForwardingGraph {
    /// Creates the graph of a file.
    ///
    /// - Parameters:
    ///   - listeners: the addresses of listeners whose names are resolved, by name of the listener.
    ///   - servers: the resolved servers of pools, by name of the pool. Names that are not resolved have no addresses,
    ///     except `localhost`, which is known to be the loopback addresses.
    init(
        _ file: ConfigurationFile,
        listeners: [String: [SocketAddress]] = [:],
        servers: [String: [ServerConfiguration]] = [:]
    ) {
        self.init(
            file.listeners.map { listener in
                Listener(
                    name: listener.name,
                    addresses: listeners[listener.name] ?? Self.addresses(ServerAddress(listener.listen)),
                    pools: listener.allPools
                )
            },
            servers: Dictionary(
                file.pools.map { pool in
                    let known = pool.servers.flatMap { server in
                        Self.addresses(server.address).map { (server.name, $0) }
                    }
                    return (pool.name, servers[pool.name]?.map { ($0.name, $0.address) } ?? known)
                },
                uniquingKeysWith: { first, _ in first }
            ),
            local: .current()
        )
    }

    /// The addresses that are known without a lookup.
    private static func addresses(_ address: ServerAddress) -> [SocketAddress] {
        switch address.normalized {
        case .socket(let address): [address]
        case .host("localhost", let port):
            [
                .internet(InternetAddress(v4: 0x7F00_0001, port: port)),
                .internet(InternetAddress(high: 0, low: 1, port: port)),
            ]
        case .host, .service: []
        }
    }
}

extension ListenerSection {
    /// The names of all pools that the listener forwards to.
    var allPools: [String] {
        [pool] + sniPatterns.map(\.pool) + alpnProtocols.map(\.pool) + [plainPool].compactMap { $0 }
    }
}
