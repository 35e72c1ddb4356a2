public import Randomness

/// A lookup table from keys to servers that changes very little when a server joins or leaves.
///
/// Eisenbud and others, "Maglev: A fast and reliable software network load balancer" (2016), 3.4: each server has a
/// permutation of the table entries, computed from its name alone, and the servers take turns in claiming their next
/// free entry until all are claimed. The number of a server's turns is proportional to its weight. The servers claim
/// entries in the order of their names. Each replica of the proxy therefore builds the same table, regardless of the
/// order of the servers in its configuration file.
public struct MaglevTable: Sendable, Equatable {
    public struct Server: Sendable, Equatable {
        /// The name of the server in every replica: its address as configured, or its name in the configuration file.
        public var name: String
        /// The weight; 0 gets no entries in the table. Backup servers should have 0.
        public var weight: Int

        public init(name: String, weight: Int = 1) {
            self.name = name
            self.weight = weight
        }
    }

    /// The smaller prime of the paper. With 100 servers of similar weight, no share deviates by more than a few
    /// percent.
    public static let defaultSize = 65_537
    /// The maximum number of servers of a table.
    public static let serverLimit = Int(UInt16.max)

    /// The number of servers for which the table was built.
    public let serverCount: Int
    /// The server index of each entry; empty if no server has a weight.
    @usableFromInline let places: [UInt16]

    /// Builds a table. This takes milliseconds and must not run on the data plane.
    ///
    /// - Parameters:
    ///   - servers: The servers in the order of the pool, at most ``serverLimit``.
    ///   - size: A prime, equal in all replicas. Tables of different sizes have nothing in common.
    public init(_ servers: [Server], size: Int = defaultSize) {
        precondition(Self.isPrime(size), "the size of a Maglev table must be prime, not \(size)")
        precondition(servers.count <= Self.serverLimit, "a Maglev table supports at most \(Self.serverLimit) servers")
        serverCount = servers.count
        places = Self.fill(size, with: servers)
    }

    /// Returns the number of entries of a server.
    public func placeCount(of server: Int) -> Int {
        places.count { Int($0) == server }
    }

    /// Returns the server for a hash, or nil if no server has an entry.
    @inlinable
    public func server(for hash: UInt64) -> Int? {
        places.isEmpty ? nil : Int(places[SplitMix64.scale(hash, below: places.count)])
    }
}

extension MaglevTable {
    /// One server during the construction of the table.
    private struct Claimant {
        let server: Int
        let weight: Int
        let step: Int
        /// The next entry to claim.
        var place: Int
        /// The accumulated credit. A turn costs as much as the largest weight.
        var credit = 0
    }

    private static func fill(_ size: Int, with servers: [Server]) -> [UInt16] {
        var claimants = servers.enumerated()
            .filter { $0.element.weight > 0 }
            .sorted { ($0.element.name, $0.offset) < ($1.element.name, $1.offset) }
            .map { server in
                Claimant(
                    server: server.offset,
                    weight: min(server.element.weight, EffectiveWeight.limit),
                    step: SplitMix64.scale(KeyHash.name(server.element.name, seed: 1), below: size - 1) + 1,
                    place: SplitMix64.scale(KeyHash.name(server.element.name), below: size)
                )
            }
        guard let price = claimants.map(\.weight).max() else { return [] }
        return [UInt16](unsafeUninitializedCapacity: size) { places, count in
            // The limit of servers is below this value.
            places.initialize(repeating: freePlace)
            count = size
            claimants.withUnsafeMutableBufferPointer { claim(places, by: $0, price: price) }
        }
    }

    private static let freePlace = UInt16.max

    /// Fills the table. This inner loop decides how long a process with a thousand tables takes to start.
    private static func claim(
        _ places: UnsafeMutableBufferPointer<UInt16>,
        by claimants: UnsafeMutableBufferPointer<Claimant>,
        price: Int
    ) {
        var free = places.count
        // In each round the server with the largest weight has a turn, so there are at most as many rounds as entries.
        while true {
            for index in claimants.indices {
                claimants[index].credit += claimants[index].weight
                guard claimants[index].credit >= price else { continue }
                claimants[index].credit -= price
                let step = claimants[index].step
                var place = claimants[index].place
                // The size is prime, so any step visits all entries.
                while places[place] != freePlace {
                    place += step
                    if place >= places.count { place -= places.count }
                }
                places[place] = UInt16(claimants[index].server)
                claimants[index].place = place
                free -= 1
                if free == 0 { return }
            }
        }
    }

    private static func isPrime(_ number: Int) -> Bool {
        guard number >= 2 else { return false }
        var divisor = 2
        while divisor * divisor <= number {
            if number % divisor == 0 { return false }
            divisor += 1
        }
        return true
    }
}
