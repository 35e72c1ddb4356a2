public import TCPProxy

/// The pools of a configuration file with the names of their servers resolved, and the settings of their controller.
public struct ResolvedPools: Sendable {
    /// The pools, in file order.
    public var pools: [PoolConfiguration] = []
    /// Settings of the pools' controller, in the same order.
    public var settings: [PoolSettings] = []
    /// Warnings about names that could not be resolved, as text: one line each, such as `12:5: warning: pools.databases:
    /// ...` with the line and the column.
    public var warningLines: [String] { warnings.map(\.description) }

    package fileprivate(set) var warnings: [Diagnostic] = []
    fileprivate var discoveries: [ServerDiscovery] = []

    /// All addresses that names have resolved to, up to now.
    fileprivate var knownEndpoints: ServerDiscovery.KnownEndpoints {
        get async {
            var known = ServerDiscovery.KnownEndpoints()
            for discovery in discoveries { known.merge(await discovery.endpoints) { first, _ in first } }
            return known
        }
    }
}

extension ConfigurationFile {
    /// Resolves the names of the pools' servers. A name that cannot be resolved keeps the addresses known from before;
    /// without any, its server is `unresolved` and gets no connections until a later lookup succeeds.
    ///
    /// - Parameter former: the pools in use, whose addresses are known.
    /// - Throws: ``ConfigurationError`` with the servers that cannot be resolved although their entries require it.
    public func resolved(after former: ResolvedPools? = nil) async throws(ConfigurationError) -> ResolvedPools {
        let known = await former?.knownEndpoints ?? [:]
        var resolved = ResolvedPools()
        let outcomes = await outcomes(known)
        var diagnostics = Diagnostics()
        for (pool, (discovery, outcome)) in zip(pools, outcomes) {
            for (index, failure) in outcome.failures.sorted(by: { $0.key < $1.key }) {
                pool.report(failure, ofServer: index, isUnresolved: outcome.unresolved.contains(index), &diagnostics)
            }
            resolved.pools.append(pool.configuration(servers: outcome.answer.servers))
            resolved.settings.append(PoolSettings(pool, resolving: discovery, first: outcome.answer))
            resolved.discoveries.append(discovery)
        }
        guard !diagnostics.hasErrors else {
            throw ConfigurationError(diagnostics: diagnostics.sorted, suppressed: diagnostics.suppressed)
        }
        resolved.warnings = diagnostics.sorted
        return resolved
    }

    /// Returns the servers of each pool, by its name, and an error for each server whose name has no address, for
    /// `monkey check --resolve`; the lookups are those of the start.
    func resolvedServers() async -> (servers: [String: [ServerConfiguration]], failures: [Diagnostic]) {
        let outcomes = Array(zip(pools, await outcomes([:])))
        let failures = outcomes.flatMap { pool, outcome in
            outcome.1.unresolved.sorted().map { index in
                let server = pool.servers[index]
                let cause = outcome.1.failures[index].map { "\($0)" } ?? "no address"
                return Diagnostic(
                    .error,
                    at: server.location ?? SourceLocation(line: 1, column: 1),
                    path: "pools.\(pool.name).servers[\(index)]",
                    "cannot resolve \(quoted("\(server.address)")): \(cause)"
                )
            }
        }
        let servers = Dictionary(
            outcomes.map { pool, outcome in (pool.name, outcome.1.answer.servers) },
            uniquingKeysWith: { first, _ in first }
        )
        return (servers, failures)
    }

    /// Resolves all pools concurrently.
    private func outcomes(
        _ known: ServerDiscovery.KnownEndpoints
    ) async -> [(ServerDiscovery, ServerDiscovery.Outcome)] {
        let discoveries = pools.map { ServerDiscovery($0.servers, known: known) }
        return await withTaskGroup(of: (Int, ServerDiscovery.Outcome).self) { group in
            for (index, discovery) in discoveries.enumerated() {
                group.addTask { (index, await discovery.lookUp(within: ServerDiscovery.startTimeout)) }
            }
            var outcomes: [Int: ServerDiscovery.Outcome] = [:]
            for await (index, outcome) in group { outcomes[index] = outcome }
            return discoveries.enumerated().map { ($1, outcomes[$0]!) }
        }
    }
}

extension PoolSection {
    /// Reports that a server has no new address: an error if its entry requires one, otherwise a warning.
    fileprivate func report(
        _ failure: DNSFailure,
        ofServer index: Int,
        isUnresolved: Bool,
        _ diagnostics: inout Diagnostics
    ) {
        let server = servers[index]
        let location = server.location ?? SourceLocation(line: 1, column: 1)
        let subject = "cannot resolve \(server.address.hostName): \(failure)"
        diagnostics.within("pools") { diagnostics in
            diagnostics.within(name) { diagnostics in
                diagnostics.within("servers") { diagnostics in
                    diagnostics.within(index) { diagnostics in
                        if server.resolve == .required {
                            diagnostics.error(at: location, "\(subject): check the name, or set resolve: optional")
                        } else {
                            let effect =
                                isUnresolved
                                ? "the server gets no connections until the name is resolved"
                                : "its known addresses stay in use"
                            diagnostics.warning(at: location, "\(subject): \(effect)")
                        }
                    }
                }
            }
        }
    }
}
