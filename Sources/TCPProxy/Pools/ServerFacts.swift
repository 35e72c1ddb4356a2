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
            let figures = snapshot(of: server)
            // What this machine lacked, and clients who went away, say nothing about the server.
            let failed = figures.connectFailures.reduce(0) { sum, failure in
                failure.key == .exhausted || failure.key == .clientGone ? sum : sum + failure.value
            }
            return ServerFacts(
                key: ServerKey(pool: pool, id: server.share.id),
                configuration: server.configuration,
                state: server.state,
                connections: figures.connections,
                connected: figures.connected,
                failed: failed,
                failuresInARow: figures.failuresInARow
            )
        }
    }
}
