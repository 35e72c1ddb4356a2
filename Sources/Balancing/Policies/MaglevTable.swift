/// A table from keys to servers that hardly changes when a server joins or leaves.
///
/// Eisenbud and others, "Maglev: A fast and reliable software network load balancer" (2016), 3.4: each server has a
/// permutation of the table's places, made from its name alone, and the servers take turns in claiming the next free place
/// of theirs until all are claimed. A server's turns are in proportion to its weight. The servers claim in the order of
/// their names. So each replica of the proxy builds the same table, in whatever order its file lists them.
public struct MaglevTable: Sendable, Equatable {
    public struct Server: Sendable, Equatable {
        /// What it is known by, in every replica: its address as it was written, or its name in the file.
        public var name: String
        /// 0 has no place in the table; so it should be for a backup server.
        public var weight: Int

        public init(name: String, weight: Int) {
            self.name = name
            self.weight = weight
        }
    }

    /// The prime that the paper calls small. With a hundred servers no share is wrong by more than a few per cent.
    public static let defaultSize = 65_537
    /// The most servers of a table.
    public static let serverLimit = Int(UInt16.max)

    /// How many servers it was built for.
    public let serverCount: Int
    /// The servers by place; empty if no server has a weight.
    @usableFromInline let places: [UInt16]

    /// Builds a table, which takes milliseconds: off the data plane.
    ///
    /// - Parameters:
    ///   - servers: in the order of the pool, at most ``serverLimit``.
    ///   - size: a prime, the same in every replica. A table of another size has nothing in common with this one.
    public init(_ servers: [Server], size: Int = defaultSize) {
        precondition(Self.isPrime(size), "a Maglev table of \(size) places: the number must be prime")
        precondition(servers.count <= Self.serverLimit, "a Maglev table of more than \(Self.serverLimit) servers")
        serverCount = servers.count
        places = Self.fill(size, with: servers)
    }

    /// How many places a server has.
    public func placeCount(of server: Int) -> Int {
        places.count { Int($0) == server }
    }

    /// The server for a hash, or nil if no server has a place.
    @inlinable
    public func server(for hash: UInt64) -> Int? {
        places.isEmpty ? nil : Int(places[KeyHash.point(hash, below: places.count)])
    }
}

extension MaglevTable {
    /// One server while the table is being filled.
    private struct Claimant {
        let server: Int
        let weight: Int
        let step: Int
        /// The place that it claims next.
        var place: Int
        /// What it has saved up for a turn, which costs as much as the largest weight.
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
                    step: KeyHash.point(KeyHash.name(server.element.name, seed: 1), below: size - 1) + 1,
                    place: KeyHash.point(KeyHash.name(server.element.name), below: size)
                )
            }
        guard let price = claimants.map(\.weight).max() else { return [] }
        var places = [UInt16?](repeating: nil, count: size)
        var free = size
        // Each round the heaviest has a turn, so there are at most as many rounds as places.
        while true {
            for index in claimants.indices {
                claimants[index].credit += claimants[index].weight
                guard claimants[index].credit >= price else { continue }
                claimants[index].credit -= price
                var place = claimants[index].place
                // The size is prime, so that any step leads through all places.
                while places[place] != nil { place = (place + claimants[index].step) % size }
                places[place] = UInt16(claimants[index].server)
                claimants[index].place = place
                free -= 1
                if free == 0 { return places.compactMap { $0 } }
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
