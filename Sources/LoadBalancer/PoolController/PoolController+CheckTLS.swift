import TCPProxy
import TLS

// TLS of health checks.

extension PoolController {
    /// The contexts of checks whose TLS settings are not those of their pool. The pool's context is used otherwise, so
    /// that the authorities of the system are not read again.
    struct CheckContexts {
        /// By pool name, with the settings that they were created from. A context is nil if it cannot be created: a file is
        /// checked before, so the system is out of memory.
        private var contexts: [String: (settings: PoolTLS, context: TLSContext?)] = [:]

        mutating func context(for settings: PoolTLS, ofPool pool: String) -> TLSContext? {
            if let known = contexts[pool], known.settings == settings { return known.context }
            let context = try? TLSContext(client: settings.settings)
            contexts[pool] = (settings, context)
            return context
        }

        /// Removes the contexts of all pools but those in which a check may use one.
        mutating func keep(pools: Set<String>) { contexts = contexts.filter { pools.contains($0.key) } }
    }
}

extension PoolController.State {
    /// Returns TLS of the checks of a server; nil if they do not use it.
    mutating func tls(of server: ServerInfo, for check: HealthCheck, inPool pool: String) -> StreamTLS? {
        if let own = check.ownTLS(poolHasTLS: server.tls != nil) {
            let name = own.serverName ?? server.configuration.hostName
            return StreamTLS(checkContexts.context(for: own, ofPool: pool), name: name)
        }
        let isUsed = check.tls == .on || check.tls == nil && check.port == nil
        guard isUsed, let tls = server.tls else { return nil }
        return StreamTLS(tls.context, name: tls.name)
    }
}
