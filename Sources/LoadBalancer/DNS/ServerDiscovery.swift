import EventLoop
import Sockets
package import TCPProxy

/// Resolver of a pool's server entries. If a query fails, its last answer is kept.
actor ServerDiscovery {
    /// Addresses that names have resolved to, by the server address of an entry.
    typealias KnownEndpoints = [ServerAddress: [DiscoveredEndpoint]]

    private let entries: [ServerSection]
    private var lookups: [HostResolution]
    private var known: KnownEndpoints

    /// Maximum time for the lookups at the start and at a reload; names without an answer by then are resolved later.
    static let startTimeout = Duration.seconds(6)
    /// Maximum number of names of the process that are resolved at the same time.
    private static let permits = AsyncSemaphore(32)
    /// Time after which a query is repeated to which a name server gave no answer.
    static let retryDelay = Duration.seconds(5)

    /// - Parameter known: addresses from earlier lookups, which stay in use while a name cannot be resolved.
    init(_ entries: [ServerSection], known: KnownEndpoints = [:]) {
        self.entries = entries
        lookups = entries.map { HostResolution($0.resolver) }
        let names = Set(entries.map(\.address))
        self.known = known.filter { names.contains($0.key) }
    }

    /// The addresses found so far.
    var endpoints: KnownEndpoints { known }

    /// Result of a lookup of all entries.
    struct Outcome: Sendable {
        /// The servers of all entries, those of each entry in order of priority. An entry whose name has never been
        /// resolved has one server without an address.
        var answer: PoolSettings.Resolution.Answer
        /// Why names have no new answer, by the index of the entry.
        var failures: [Int: DNSFailure] = [:]
        /// The entries that have no address.
        var unresolved: Set<Int> = []
    }

    /// Resolves all entries. The TTL of the result is the lowest TTL of all answers; it is at most ``retryDelay`` if a
    /// name server gave no answer.
    ///
    /// - Parameter timeout: maximum time; nil waits for the timeouts of the queries.
    func lookUp(within timeout: Duration? = nil) async -> Outcome {
        var outcome = Outcome(answer: .init(servers: []))
        let found = await found(within: timeout)
        for (index, entry) in entries.enumerated() {
            var endpoints: [DiscoveredEndpoint] = []
            var times: [Duration] = []
            var failure: DNSFailure? = .timedOut(after: timeout ?? .zero)
            if let (lookup, result) = found[index] {
                lookups[index] = lookup
                endpoints = result.servers
                failure = result.failure
                times += [result.timeToLive].compactMap { $0 }
            }
            if endpoints.isEmpty {
                endpoints = known[entry.address, default: []]
            } else if entry.address.isName {
                known[entry.address] = endpoints
            }
            if let failure {
                outcome.failures[index] = failure
                if failure.isServerFailure { times.append(Self.retryDelay) }
            }
            if endpoints.isEmpty {
                outcome.unresolved.insert(index)
                outcome.answer.servers.append(entry.unresolved(failure ?? .noRecords))
            } else {
                outcome.answer.servers += entry.servers(endpoints)
            }
            for time in times { outcome.answer.timeToLive = min(outcome.answer.timeToLive ?? time, time) }
        }
        outcome.answer.failures = outcome.failures.sorted { $0.key < $1.key }
            .map { "\(entries[$0.key].address.hostName): \($0.value)" }
        return outcome
    }

    private typealias Found = (lookup: HostResolution, outcome: HostResolution.Outcome)

    /// Resolves the entries concurrently; those without a result within the timeout are missing.
    private func found(within timeout: Duration?) async -> [Int: Found] {
        await withTaskGroup(of: (Int, Found)?.self) { group in
            for (index, entry) in entries.enumerated() {
                var lookup = lookups[index]
                group.addTask {
                    guard entry.address.isName else {
                        return (index, (lookup, await lookup.servers(of: entry.address)))
                    }
                    return await Self.permits.with {
                        let outcome = await lookup.servers(of: entry.address)
                        return (index, (lookup, outcome))
                    }
                }
            }
            if let timeout {
                group.addTask {
                    try? await Task.sleep(for: timeout)
                    return nil
                }
            }
            var found: [Int: Found] = [:]
            while found.count < entries.count, case let result?? = await group.next() {
                found[result.0] = result.1
            }
            group.cancelAll()
            return found
        }
    }
}

extension [ServerSection] {
    /// Resolves the servers of all entries. An entry whose name cannot be resolved has one server without an address.
    ///
    /// - Throws: ``ProxyError/unknownHost(_:detail:)`` if an entry that requires it cannot be resolved, or if none can.
    package func resolved() async throws(ProxyError) -> [ServerConfiguration] {
        try await resolved(by: ServerDiscovery(self)).servers
    }

    func resolved(by discovery: ServerDiscovery) async throws(ProxyError) -> PoolSettings.Resolution.Answer {
        let outcome = await discovery.lookUp(within: ServerDiscovery.startTimeout)
        for (index, failure) in outcome.failures.sorted(by: { $0.key < $1.key }) {
            guard self[index].resolve == .required || outcome.unresolved.count == count else { continue }
            throw .unknownHost(self[index].address.hostName, detail: "\(failure)")
        }
        return outcome.answer
    }
}

extension ServerSection {
    /// Returns the entry's servers at the resolved addresses. Weights come from SRV records; servers of all priorities
    /// but the lowest value are backups (RFC 2782).
    func servers(_ found: [DiscoveredEndpoint]) -> [ServerConfiguration] {
        guard address.isService else {
            return found.map { server in
                configuration(at: server.address, name: found.count == 1 ? nil : "\(name) (\(server.address))")
            }
        }
        return PoolMember.members(found).map { member in
            // The name always includes the address: a server that is the only one today may not be tomorrow, and must
            // keep its identity.
            let address = member.server.address
            var server = configuration(at: address, name: "\(name) (\(address))")
            server.weight = member.weight ?? weight
            server.isBackup = backup || member.isBackup
            server.host = member.server.host
            return server
        }
    }

    /// Returns the entry's server while its name has no address.
    func unresolved(_ failure: DNSFailure) -> ServerConfiguration {
        var server = configuration(at: ServerConfiguration.unresolvedAddress)
        server.resolutionFailure = "\(failure)"
        return server
    }
}

extension ServerAddress {
    /// The host name without the port, which is not part of the query.
    var hostName: String {
        if case .host(let host, _) = self { host } else { description }
    }
}
