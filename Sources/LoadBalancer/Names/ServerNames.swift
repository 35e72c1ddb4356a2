import Sockets
public import TCPProxy

/// The servers that a pool's entries stand for: looked up whenever somebody asks. What cannot be asked just now keeps its
/// last answer.
actor ServerNames {
    private let entries: [ServerEntry]
    private var lookups: [NameLookup]

    init(_ entries: [ServerEntry]) {
        self.entries = entries
        lookups = entries.map { NameLookup($0.resolver) }
    }

    /// All servers, those of each entry in order of their priorities.
    ///
    /// - Returns: them, with the shortest time to live of all answers.
    /// - Throws: ``ProxyError/unknownHost(_:detail:)`` for the first name that stands for none.
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

extension [ServerEntry] {
    /// The servers that each entry stands for now.
    ///
    /// - Throws: ``ProxyError/unknownHost(_:detail:)``.
    public func resolved() async throws(ProxyError) -> [ServerConfiguration] {
        try await ServerNames(self).lookUp().servers
    }
}

extension ServerEntry {
    /// The entry's servers at the addresses that were found. A service's records tell weights; servers of all priorities but
    /// the lowest are backups (RFC 2782).
    func servers(_ found: [ResolvedServer]) -> [ServerConfiguration] {
        guard address.isService else {
            return found.map { server in
                configuration(at: server.address, name: found.count == 1 ? nil : "\(name) (\(server.address))")
            }
        }
        return PoolMember.members(found).map { member in
            // Always with its address: who is alone today may have others beside it tomorrow, and is the same server.
            let address = member.server.address
            var server = configuration(at: address, name: "\(name) (\(address))")
            server.weight = member.weight ?? weight
            server.isBackup = backup || member.isBackup
            return server
        }
    }
}

extension ServerAddress {
    /// Without the port, which is not asked for.
    fileprivate var hostName: String {
        if case .host(let host, _) = self { host } else { description }
    }
}
