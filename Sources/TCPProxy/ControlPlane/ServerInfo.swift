package import Balancing
package import TLS

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
    /// TLS of connections to the server; nil without TLS.
    package let tls: ServerTLS?
}

/// The settings of TLS connections to a server.
package struct ServerTLS: Sendable {
    /// The context of the pool; another one after a change of its settings.
    package let context: TLSContext
    /// The name or IP address that the server's certificate must have.
    package let name: String
}

/// The state in which a server is added to a pool.
package struct InitialServerState: Sendable {
    package var state: ServerState
    package var cause: String
    /// In the units of `EffectiveWeight`.
    package var weight: Int

    package init(state: ServerState, cause: String, weight: Int) {
        self.state = state
        self.cause = cause
        self.weight = weight
    }

    /// The state of a server that nothing controls: open, with its full weight.
    package init(_ server: ServerConfiguration) {
        self.init(
            state: server.resolutionFailure == nil ? .unchecked : .unresolved,
            cause: server.resolutionFailure ?? "",
            weight: EffectiveWeight.of(server.weight)
        )
    }
}

/// Determines the state of a server that is added to a pool.
package typealias InitialServerStates = @Sendable (ServerConfiguration, PoolConfiguration) -> InitialServerState

/// The identity of a pool in the control plane.
package struct PoolInfo: Sendable {
    /// Valid as long as the pool exists.
    package let number: Int
    package let name: String
    package let policy: BalancingPolicy?
}

extension PoolInfo {
    init(_ entry: PoolRegistry.Entry) {
        self.init(number: entry.number, name: entry.configuration.name, policy: entry.configuration.policy)
    }
}

extension ProxyRuntime {
    /// Returns the servers of a pool by its number; empty if the pool does not exist.
    func serverInfo(ofPool pool: Int) -> [ServerInfo] {
        guard let entry = pools.entry(pool) else { return [] }
        return entry.servers.map { server in
            ServerInfo(
                key: entry.key(of: server),
                configuration: server.configuration,
                state: server.state,
                weight: server.share.weight,
                weightOverride: server.weightOverride,
                connections: server.share.connections,
                connected: server.share.connected,
                // Local resource exhaustion and clients that disconnected are not counted here: they are not evidence
                // against the server.
                failed: server.share.failed,
                consecutiveFailures: server.share.consecutiveFailures,
                tls: server.tls.flatMap { tls in entry.tls.map { ServerTLS(context: $0.context, name: tls.name) } }
            )
        }
    }
}
