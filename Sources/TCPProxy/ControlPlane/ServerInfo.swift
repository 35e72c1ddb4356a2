package import Balancing

/// The data that decides about a server's health: its identity and the results of connection attempts.
package struct ServerInfo: Sendable {
    package let key: ServerKey
    package let configuration: ServerConfiguration
    package let state: ServerState
    /// The current effective weight, in the units of `EffectiveWeight`.
    package let weight: Int
    /// The weight set by an administrator in place of the configured weight.
    package let weightOverride: Int?
    package let connections: Int
    /// Total number of connection attempts that succeeded, and that failed through the server's fault, since the server
    /// was added.
    package let connected: Int
    package let failed: Int
    package let consecutiveFailures: Int
}

/// The identity of a pool in the control plane.
package struct PoolInfo: Sendable {
    /// Valid as long as the pool exists.
    package let number: Int
    package let name: String
    package let policy: BalancingPolicy?
}

extension ProxyRuntime {
    /// Returns the servers of a pool by its number; empty if the pool does not exist.
    func serverInfo(ofPool pool: Int) -> [ServerInfo] {
        guard let entry = pools.entries.first(where: { $0.number == pool }) else { return [] }
        return entry.servers.map { server in
            let figures = figures(of: server)
            // Local resource exhaustion and clients that disconnected are not evidence against the server.
            let causes = ConnectFailure.allCases.filter { $0 != .exhausted && $0 != .clientGone }
            return ServerInfo(
                key: entry.key(of: server),
                configuration: server.configuration,
                state: server.state,
                weight: server.share.weight,
                weightOverride: server.weightOverride,
                connections: server.share.connections,
                connected: figures[.connected],
                failed: causes.reduce(0) { $0 + figures[.failure($1)] },
                consecutiveFailures: server.share.consecutiveFailures
            )
        }
    }
}
