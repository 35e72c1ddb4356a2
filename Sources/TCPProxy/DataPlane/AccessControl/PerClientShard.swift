import Sockets

/// One stripe of ``PerClientLimiter``: a hash table with separate chaining and a fixed number of entries. Not thread-safe.
struct PerClientShard: @unchecked Sendable {
    // Sendable: the instance owns its memory and is accessed only while its lock is held.
    struct Key: Equatable {
        let bits: UInt128
        let scope: UInt32
        let hash: UInt64
    }

    /// The number of idle entries examined for each new connection: two, so that entries are removed faster than they
    /// are added.
    static var lookups: Int { 2 }
    /// The number of idle entries examined if the table is full.
    static var lookupsWhenFull: Int { 16 }

    /// Links hold the index of an entry plus one, so that zeroed memory contains no links.
    private struct Client {
        var high: UInt64
        var low: UInt64
        var scope: UInt32
        var connections: UInt32
        var bucket: TokenBucket
        /// The chain that contains the entry.
        var chain: Int32
        /// The next entry in the chain; for a free entry, the next free entry.
        var next: Int32
        /// Neighbors in the list of entries without connections.
        var previousIdle: Int32
        var nextIdle: Int32
    }

    let places: Int
    private(set) var count = 0
    /// Number of clients rejected because the table was full.
    private(set) var refusals = 0

    private let clients: UnsafeMutablePointer<Client>
    /// The first entry of each chain.
    private let chains: UnsafeMutablePointer<Int32>
    private let chainMask: Int
    private var firstFree: Int32 = 0
    /// Entries from this index on have never been used.
    private var untouched = 0
    /// Clients without connections whose bucket was not full when last examined.
    private var firstIdle: Int32 = 0
    private var lastIdle: Int32 = 0

    static func bytes(places: Int) -> Int {
        let bytes = places * MemoryLayout<Client>.stride + chainCount(places) * MemoryLayout<Int32>.stride
        // Round up so that the next stripe starts on its own cache line.
        return (bytes + 63) / 64 * 64
    }

    private static func chainCount(_ places: Int) -> Int {
        var count = 1
        while count < places { count *= 2 }
        return count
    }

    /// - Parameter memory: ``bytes(places:)`` bytes, zeroed.
    init(places: Int, memory: UnsafeMutableRawPointer) {
        self.places = places
        let chainCount = Self.chainCount(places)
        clients = memory.bindMemory(to: Client.self, capacity: places)
        chains = (memory + places * MemoryLayout<Client>.stride).bindMemory(to: Int32.self, capacity: chainCount)
        chainMask = chainCount - 1
    }

    mutating func reserve(_ key: Key, _ limit: PerClientLimiter.Limit, at now: Instant) -> PerClientLimiter.Admission {
        forgetIdle(lookups: Self.lookups, at: now)
        let known = find(key)
        let connections = known.map { Int($0.pointee.connections) } ?? 0
        if let most = limit.connections, connections >= most { return .tooManyConnections }
        var bucket = known?.pointee.bucket ?? TokenBucket()
        if let rate = limit.rate, !bucket.take(rate, at: now) {
            known?.pointee.bucket = bucket
            return .tooFast
        }
        if let known {
            if connections == 0 { removeIdle(known) }
            known.pointee.connections += 1
            known.pointee.bucket = bucket
            return .admitted
        }
        if count == places { forgetIdle(lookups: Self.lookupsWhenFull, at: now) }
        guard count < places else {
            refusals += 1
            return .tableFull
        }
        insert(key, bucket)
        return .admitted
    }

    mutating func release(_ key: Key, at now: Instant) {
        guard let client = find(key), client.pointee.connections > 0 else {
            preconditionFailure("released a connection of a client that has none")
        }
        client.pointee.connections -= 1
        guard client.pointee.connections == 0 else { return }
        if client.pointee.bucket.isFull(at: now) { remove(client) } else { appendIdle(client) }
    }

    // MARK: Idle entries

    /// Removes idle entries whose bucket is full; moves the others to the end of the list, so that all are examined in
    /// turn.
    private mutating func forgetIdle(lookups: Int, at now: Instant) {
        for _ in 0..<lookups where firstIdle != 0 {
            let client = client(firstIdle)
            removeIdle(client)
            if client.pointee.bucket.isFull(at: now) { remove(client) } else { appendIdle(client) }
        }
    }

    private mutating func appendIdle(_ client: UnsafeMutablePointer<Client>) {
        let link = link(client)
        client.pointee.previousIdle = lastIdle
        client.pointee.nextIdle = 0
        if lastIdle == 0 { firstIdle = link } else { self.client(lastIdle).pointee.nextIdle = link }
        lastIdle = link
    }

    private mutating func removeIdle(_ client: UnsafeMutablePointer<Client>) {
        let (previous, next) = (client.pointee.previousIdle, client.pointee.nextIdle)
        if previous == 0 { firstIdle = next } else { self.client(previous).pointee.nextIdle = next }
        if next == 0 { lastIdle = previous } else { self.client(next).pointee.previousIdle = previous }
    }

    // MARK: Entries and chains

    private func client(_ link: Int32) -> UnsafeMutablePointer<Client> { clients + Int(link - 1) }

    private func link(_ client: UnsafeMutablePointer<Client>) -> Int32 { Int32(client - clients) + 1 }

    private func find(_ key: Key) -> UnsafeMutablePointer<Client>? {
        let (high, low) = (UInt64(key.bits >> 64), UInt64(truncatingIfNeeded: key.bits))
        var link = chains[Int(truncatingIfNeeded: key.hash) & chainMask]
        while link != 0 {
            let candidate = client(link)
            if candidate.pointee.low == low, candidate.pointee.high == high, candidate.pointee.scope == key.scope {
                return candidate
            }
            link = candidate.pointee.next
        }
        return nil
    }

    private mutating func insert(_ key: Key, _ bucket: TokenBucket) {
        let link: Int32
        if firstFree == 0 {
            untouched += 1
            link = Int32(untouched)
        } else {
            link = firstFree
            firstFree = client(link).pointee.next
        }
        let chain = Int(truncatingIfNeeded: key.hash) & chainMask
        client(link).initialize(
            to: Client(
                high: UInt64(key.bits >> 64),
                low: UInt64(truncatingIfNeeded: key.bits),
                scope: key.scope,
                connections: 1,
                bucket: bucket,
                chain: Int32(chain),
                next: chains[chain],
                previousIdle: 0,
                nextIdle: 0
            )
        )
        chains[chain] = link
        count += 1
    }

    private mutating func remove(_ client: UnsafeMutablePointer<Client>) {
        let link = link(client)
        let chain = Int(client.pointee.chain)
        if chains[chain] == link {
            chains[chain] = client.pointee.next
        } else {
            var previous = self.client(chains[chain])
            while previous.pointee.next != link { previous = self.client(previous.pointee.next) }
            previous.pointee.next = client.pointee.next
        }
        client.pointee.next = firstFree
        firstFree = link
        count -= 1
    }
}
