/// What decides about a server: who it is, and how attempts to connect to it have gone.
package struct ServerFacts: Sendable {
    package let key: ServerKey
    package let configuration: ServerConfiguration
    package let state: ServerState
    package let connections: Int
    /// Attempts to connect that have succeeded, and that have failed by the server's fault, since the beginning.
    package let connected: Int
    package let failed: Int
    package let failuresInARow: Int
}

extension ProxyCore {
    func serverFacts(ofPool pool: Int) -> [ServerFacts] {
        pools.entries[pool].servers.map { server in
            // What this machine lacked, and clients who went away, say nothing about the server.
            let causes = ConnectFailure.allCases.filter { $0 != .exhausted && $0 != .clientGone }
            return ServerFacts(
                key: ServerKey(pool: pool, id: server.share.id),
                configuration: server.configuration,
                state: server.state,
                connections: server.share.connections,
                connected: figure(.connected, of: server),
                failed: causes.reduce(0) { $0 + figure(.failure($1), of: server) },
                failuresInARow: server.share.failuresInARow
            )
        }
    }
}
