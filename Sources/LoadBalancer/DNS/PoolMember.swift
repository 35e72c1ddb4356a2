/// Resolved server with a weight in the pool's range and one of two priority levels.
package struct PoolMember: Hashable, Sendable {
    package let server: DiscoveredEndpoint
    /// 1 to ``maxWeight``; nil if DNS does not specify a weight.
    package let weight: Int?
    /// True for all priorities but the lowest value: RFC 2782 has more levels than a pool.
    package let isBackup: Bool

    /// Maximum weight of a server in a pool.
    package static let maxWeight = 256

    /// Maps priorities and weights of SRV records to those of a pool. If all weights of a level are within the pool's
    /// range, they are kept; otherwise they are scaled and rounded to integers. A weight of 0 becomes the smallest
    /// weight: RFC 2782 intends it for servers that should receive almost nothing beside others; if all servers have
    /// it, they share equally.
    package static func members(_ servers: [DiscoveredEndpoint]) -> [PoolMember] {
        let first = servers.map(\.priority).min()
        let (backups, primaries) = (servers.filter { $0.priority != first }, servers.filter { $0.priority == first })
        return scaled(primaries, isBackup: false) + scaled(backups, isBackup: true)
    }

    private static func scaled(_ servers: [DiscoveredEndpoint], isBackup: Bool) -> [PoolMember] {
        let weights = servers.compactMap(\.weight).map(Int.init)
        let largest = weights.max() ?? 0
        let fit = largest <= maxWeight && (largest == 0 || !weights.contains(0))
        return servers.map { server in
            let weight = server.weight.map { weight in
                max(1, fit ? Int(weight) : (Int(weight) * maxWeight + largest / 2) / largest)
            }
            return PoolMember(server: server, weight: weight, isBackup: isBackup)
        }
    }
}
