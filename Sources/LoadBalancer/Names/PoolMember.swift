/// A server that a name stands for, as a pool has it: with a share as pools write it, and one of two ranks.
public struct PoolMember: Hashable, Sendable {
    public let server: ResolvedServer
    /// 1 to ``largestWeight``, nil where the name says nothing of shares.
    public let weight: Int?
    /// Of all priorities but the lowest: RFC 2782 has more ranks than a pool.
    public let isBackup: Bool

    /// The largest weight of a pool's server.
    public static let largestWeight = 256

    /// Turns priorities and weights of service records into a pool's. Weights of one rank that a pool can have stay as they
    /// are; others keep their proportions, as near as whole numbers come. A weight of 0 becomes the smallest share: it is for
    /// servers that should get next to nothing beside others (RFC 2782), and where all have it they share alike.
    public static func members(_ servers: [ResolvedServer]) -> [PoolMember] {
        let first = servers.map(\.priority).min()
        let (backups, primaries) = (servers.filter { $0.priority != first }, servers.filter { $0.priority == first })
        return scaled(primaries, isBackup: false) + scaled(backups, isBackup: true)
    }

    private static func scaled(_ servers: [ResolvedServer], isBackup: Bool) -> [PoolMember] {
        let weights = servers.compactMap(\.weight).map(Int.init)
        let largest = weights.max() ?? 0
        let fit = largest <= largestWeight && (largest == 0 || !weights.contains(0))
        return servers.map { server in
            let weight = server.weight.map { weight in
                max(1, fit ? Int(weight) : (Int(weight) * largestWeight + largest / 2) / largest)
            }
            return PoolMember(server: server, weight: weight, isBackup: isBackup)
        }
    }
}
