// What the load balancer's control plane does with a proxy's pools while it runs.

extension Proxy {
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

    /// The servers of a pool, by the pool's place in the list that the proxy was bound with.
    package func servers(ofPool pool: Int) -> [ServerFacts] {
        core.serverFacts(ofPool: pool)
    }

    /// Has new connections go to a server from now on, or not; and how many beside the others.
    ///
    /// - Parameter weight: in the parts of `EffectiveWeight`.
    package func set(_ server: ServerKey, _ state: ServerState, cause: String, weight: Int) {
        core.pools.set(server, state, cause: cause, weight: weight)
        // Whoever waits for a place may find one now.
        core.post(.placeFree(pool: server.pool))
    }

    /// Resets the connections that a server has.
    package func cutConnections(to server: ServerKey) {
        core.post(.cutServer(server.id))
    }

    /// Gives a pool other servers, and returns when all workers know them. Servers that stay, by name and address, keep their
    /// connections, state and figures; those that go keep their connections.
    ///
    /// - Throws: ``ProxyError/tooManyServers(limit:)``.
    package func change(pool: Int, to servers: [ServerConfiguration]) async throws(ProxyError) {
        try await core.change(pool: pool, to: servers)
    }
}

extension ProxyCore {
    fileprivate func serverFacts(ofPool pool: Int) -> [Proxy.ServerFacts] {
        pools.entries[pool].servers.map { server in
            let figures = snapshot(of: server)
            // What this machine lacked, and clients who went away, say nothing about the server.
            let failed = figures.connectFailures.reduce(0) { sum, failure in
                failure.key == .exhausted || failure.key == .clientGone ? sum : sum + failure.value
            }
            return Proxy.ServerFacts(
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
