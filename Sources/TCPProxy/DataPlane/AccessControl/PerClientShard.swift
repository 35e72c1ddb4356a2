import Sockets

/// One stripe of ``PerClientLimiter``: a hash table with separate chaining and a fixed number of entries. Not thread-safe.
struct PerClientShard: @unchecked Sendable {
    // Sendable: the instance owns its memory and is accessed only while its lock is held.
    struct Key: Equatable {
        let bits: UInt128
        let scope: UInt32
        let hash: UInt64
        let isIPv4: Bool
        let grouping: PerClientLimiter.Grouping
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

        var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }
    }

    /// The list of clients without connections whose bucket was not full when last examined.
    private struct IdleList {
        var first: Int32 = 0
        var last: Int32 = 0
    }

    let places: Int
    private(set) var count = 0
    private var ipv6Count = 0
    /// Number of clients rejected because the table was full.
    private(set) var refusals = 0

    private let clients: UnsafeMutablePointer<Client>
    /// The first entry of each chain.
    private let chains: UnsafeMutablePointer<Int32>
    private let chainMask: Int
    private var firstFree: Int32 = 0
    /// Entries from this index on have never been used.
    private var untouched = 0
    private var idleIPv4 = IdleList()
    private var idleIPv6 = IdleList()

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

    /// The number of IPv6 clients up to which a new one is counted under a grouping.
    private func maxIPv6(_ grouping: PerClientLimiter.Grouping) -> Int {
        switch grouping {
        case .client: max(1, places / 2)
        case .site: max(1, places * 5 / 8)
        case .organization: max(1, places * 3 / 4)
        }
    }

    /// - Parameter isLast: whether the client cannot be counted by a longer aggregate.
    /// - Returns: nil if the client is to be counted by a longer aggregate.
    mutating func reserve(
        _ key: Key,
        _ limit: PerClientLimiter.Limit,
        at now: Instant,
        isLast: Bool
    ) -> PerClientLimiter.Admission? {
        forgetIdle(lookups: Self.lookups, at: now)
        let known = find(key)
        if known == nil, !isLast, ipv6Count >= maxIPv6(key.grouping) { return nil }
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
        guard hasRoom(for: key) || evict(for: key), hasRoom(for: key) else {
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

    private func hasRoom(for key: Key) -> Bool {
        count < places && (key.isIPv4 || ipv6Count < maxIPv6(.organization))
    }

    // MARK: Idle entries

    /// Removes idle entries whose bucket is full; moves the others to the end of the list, so that all are examined in
    /// turn.
    private mutating func forgetIdle(lookups: Int, at now: Instant) {
        for _ in 0..<lookups where idleIPv4.first != 0 { examine(client(idleIPv4.first), at: now) }
        for _ in 0..<lookups where idleIPv6.first != 0 { examine(client(idleIPv6.first), at: now) }
    }

    private mutating func examine(_ client: UnsafeMutablePointer<Client>, at now: Instant) {
        removeIdle(client)
        if client.pointee.bucket.isFull(at: now) { remove(client) } else { appendIdle(client) }
    }

    /// Removes the idle entry whose bucket is nearest to full, among those that have been idle longest. An IPv6 client
    /// replaces only IPv6 clients.
    ///
    /// - Returns: false if there is no idle entry.
    private mutating func evict(for key: Key) -> Bool {
        if key.isIPv4, evictNearestToFull(of: idleIPv4) { return true }
        return evictNearestToFull(of: idleIPv6)
    }

    private mutating func evictNearestToFull(of list: IdleList) -> Bool {
        var next = list.first
        var best: UnsafeMutablePointer<Client>?
        for _ in 0..<Self.lookupsWhenFull where next != 0 {
            let candidate = client(next)
            if best.map({ candidate.pointee.bucket.fullAt < $0.pointee.bucket.fullAt }) ?? true { best = candidate }
            next = candidate.pointee.nextIdle
        }
        guard let best else { return false }
        removeIdle(best)
        remove(best)
        return true
    }

    private mutating func appendIdle(_ client: UnsafeMutablePointer<Client>) {
        let link = link(client)
        var list = idle(client)
        client.pointee.previousIdle = list.last
        client.pointee.nextIdle = 0
        if list.last == 0 { list.first = link } else { self.client(list.last).pointee.nextIdle = link }
        list.last = link
        setIdle(list, client)
    }

    private mutating func removeIdle(_ client: UnsafeMutablePointer<Client>) {
        let (previous, next) = (client.pointee.previousIdle, client.pointee.nextIdle)
        var list = idle(client)
        if previous == 0 { list.first = next } else { self.client(previous).pointee.nextIdle = next }
        if next == 0 { list.last = previous } else { self.client(next).pointee.previousIdle = previous }
        setIdle(list, client)
    }

    private func idle(_ client: UnsafeMutablePointer<Client>) -> IdleList {
        client.pointee.isIPv4 ? idleIPv4 : idleIPv6
    }

    private mutating func setIdle(_ list: IdleList, _ client: UnsafeMutablePointer<Client>) {
        if client.pointee.isIPv4 { idleIPv4 = list } else { idleIPv6 = list }
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
        if !key.isIPv4 { ipv6Count += 1 }
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
        if !client.pointee.isIPv4 { ipv6Count -= 1 }
    }
}
