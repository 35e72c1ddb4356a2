import Logging
import Synchronization
import TCPProxy

// Resolves the names of the servers again, periodically and after failed connection attempts.
extension PoolController {
    /// A lookup to run now.
    struct DueLookup {
        var pool: PoolInfo
        var resolution: PoolSettings.Resolution
        var generation: Int
    }

    /// Returns the pools for which a lookup is due, and marks those lookups as running.
    func takeDueLookups() -> [DueLookup] {
        let (pools, now) = (proxy.pools, now)
        return state.withLock { state in
            guard !state.isChanging else { return [] }
            return pools.compactMap { pool in
                guard let resolution = state.settings[pool.name]?.resolution else { return nil }
                let failures = proxy.servers(ofPool: pool.number).reduce(0) { $0 + $1.failed }
                // The servers of a pool without an entry, at the start or after a reload, have just been resolved.
                var lookup =
                    state.lookups[pool.name]
                    ?? Lookup(
                        dueAt: now + resolution.pause(after: resolution.first).clampedNanoseconds,
                        endedAt: now,
                        isFailing: !(resolution.first?.failures.isEmpty ?? true),
                        failures: failures
                    )
                if lookup.failures != failures {
                    lookup.failures = failures
                    lookup.expedite()
                }
                state.lookups[pool.name] = lookup
                guard !lookup.isRunning, lookup.dueAt <= now else { return nil }
                state.lookups[pool.name]?.isRunning = true
                return DueLookup(pool: pool, resolution: resolution, generation: state.generation)
            }
        }
    }

    /// Resolves the names of a pool and applies a changed set of servers.
    func lookUp(_ lookup: DueLookup) async {
        let pool = lookup.pool
        var pause = lookup.resolution.pause(after: nil)
        var failure: String?
        do {
            let answer = try await lookup.resolution.lookUp()
            pause = lookup.resolution.pause(after: answer)
            let servers = answer.servers
            if !answer.failures.isEmpty { failure = answer.failures.joined(separator: "; ") }
            // Name servers rotate the order of addresses.
            if Set(servers) != Set(proxy.servers(ofPool: pool.number).map(\.configuration)) {
                let settings = state.withLock { $0.settings[pool.name] }
                let isDone = try await proxy.change(pool: pool.number, to: servers) { server, pool in
                    Self.initialState(of: server, in: pool, settings)
                } ifStill: {
                    state.withLock { $0.generation == lookup.generation }
                }
                let names = servers.map(\.name).joined(separator: ", ")
                if isDone { logger.notice("Servers of pool \(pool.name) changed: \(names)") }
            }
        } catch {
            failure = "\(error)"
        }
        let dueAt = now + pause.clampedNanoseconds
        let wasFailing = state.withLock { state -> Bool in
            guard state.generation == lookup.generation else { return true }
            let before = state.lookups[pool.name]
            state.lookups[pool.name] = Lookup(
                dueAt: dueAt,
                endedAt: now,
                isFailing: failure != nil,
                failures: before?.failures ?? 0
            )
            return before?.isFailing ?? false
        }
        if let failure, !wasFailing { logger.warning("Names of pool \(pool.name) not resolved: \(failure)") }
    }
}
