package import Balancing

/// What decides about a server: who it is, and how attempts to connect to it have gone.
package struct ServerFacts: Sendable {
    package let key: ServerKey
    package let configuration: ServerConfiguration
    package let state: ServerState
    /// What workers take it for, in the parts of `EffectiveWeight`.
    package let weight: Int
    /// What somebody has ordered in place of the configured weight.
    package let orderedWeight: Int?
    package let connections: Int
    /// Attempts to connect that have succeeded, and that have failed by the server's fault, since the beginning.
    package let connected: Int
    package let failed: Int
    package let failuresInARow: Int
}

/// What the control plane knows a pool by.
package struct PoolFacts: Sendable {
    /// As long as the pool is there.
    package let number: Int
    package let name: String
    package let policy: Policy?
}

extension ProxyCore {
    /// Of a pool that is there, by its number.
    func serverFacts(ofPool pool: Int) -> [ServerFacts] {
        guard let entry = pools.entries.first(where: { $0.number == pool }) else { return [] }
        return entry.servers.map { server in
            let figures = figures(of: server)
            // What this machine lacked, and clients who went away, say nothing about the server.
            let causes = ConnectFailure.allCases.filter { $0 != .exhausted && $0 != .clientGone }
            return ServerFacts(
                key: entry.key(of: server),
                configuration: server.configuration,
                state: server.state,
                weight: server.share.weight,
                orderedWeight: server.orderedWeight,
                connections: server.share.connections,
                connected: figures[.connected],
                failed: causes.reduce(0) { $0 + figures[.failure($1)] },
                failuresInARow: server.share.failuresInARow
            )
        }
    }
}
