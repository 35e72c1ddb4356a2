import Sockets
package import TCPProxy

/// Resolver of a pool's server entries. If a query fails, its last answer is kept.
actor ServerDiscovery {
    private let entries: [ServerSection]
    private var lookups: [HostResolution]

    init(_ entries: [ServerSection]) {
        self.entries = entries
        lookups = entries.map { HostResolution($0.resolver) }
    }

    /// Resolves all entries; returns the servers of each entry in order of priority.
    ///
    /// - Returns: the servers, with the lowest TTL of all answers.
    /// - Throws: ``ProxyError/unknownHost(_:detail:)`` for the first name that resolves to no server.
    func lookUp() async throws(ProxyError) -> PoolSettings.Resolution.Answer {
        var answer = PoolSettings.Resolution.Answer(servers: [])
        for (index, entry) in entries.enumerated() {
            var lookup = lookups[index]
            let found = await lookup.servers(of: entry.address)
            lookups[index] = lookup
            guard !found.servers.isEmpty else {
                let failure = found.failure ?? .noRecords
                throw .unknownHost(entry.address.hostName, detail: "\(failure)")
            }
            answer.servers += entry.servers(found.servers)
            if let time = found.timeToLive { answer.timeToLive = min(answer.timeToLive ?? time, time) }
        }
        return answer
    }
}

extension [ServerSection] {
    /// Resolves the servers of all entries.
    ///
    /// - Throws: ``ProxyError/unknownHost(_:detail:)``.
    package func resolved() async throws(ProxyError) -> [ServerConfiguration] {
        try await ServerDiscovery(self).lookUp().servers
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
            return server
        }
    }
}

extension ServerAddress {
    /// The host name without the port, which is not part of the query.
    fileprivate var hostName: String {
        if case .host(let host, _) = self { host } else { description }
    }
}
