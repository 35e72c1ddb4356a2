import TCPProxy
import TLS

// TLS of health checks.

extension PoolController {
    /// The contexts of checks whose TLS settings are not those of their pool. The pool's context is used otherwise, so
    /// that the authorities of the system are not read again.
    struct CheckContexts {
        /// nil if a context cannot be created: a file is checked before, so the system is out of memory.
        private var contexts: [PoolTLS: TLSContext?] = [:]

        mutating func context(for settings: PoolTLS) -> TLSContext? {
            if let context = contexts[settings] { return context }
            let context = try? TLSContext(client: settings.settings)
            contexts[settings] = context
            return context
        }

        /// Removes the contexts that no check uses any more.
        mutating func keep(_ uses: [HealthCheck.TLSUse]) {
            guard !contexts.isEmpty else { return }
            let used = Set(uses.compactMap { HealthCheck(tls: $0).ownTLS(poolHasTLS: false) })
            contexts = contexts.filter { used.contains($0.key) }
        }
    }
}

extension PoolController.State {
    /// Returns TLS of the checks of a server; nil if they do not use it.
    mutating func tls(of server: ServerInfo, for check: HealthCheck) -> StreamTLS? {
        if let own = check.ownTLS(poolHasTLS: server.tls != nil) {
            let name = own.serverName ?? server.configuration.hostName
            return StreamTLS(checkContexts.context(for: own), name: name)
        }
        let isUsed = check.tls == .on || check.tls == nil && check.port == nil
        guard isUsed, let tls = server.tls else { return nil }
        return StreamTLS(tls.context, name: tls.name)
    }
}
