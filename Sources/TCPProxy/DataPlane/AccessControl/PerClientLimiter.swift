import EventLoop
import Randomness
import Sockets
import Synchronization

/// Limits on the concurrent connections and the connection rate of each client address, process-wide and in a fixed
/// amount of memory.
///
/// Used by all workers at accept and close. Clients are spread over a fixed number of stripes by a seeded hash that
/// clients cannot predict; each stripe has a lock that is held for some ten nanoseconds. Nothing is allocated after
/// startup.
///
/// The entry of a client that has no connections and a full bucket is removed, because it holds no information.
///
/// One customer can have millions of IPv6 addresses. When IPv6 clients occupy half of a stripe, further ones are counted
/// by longer aggregates, ``Grouping``; and they never occupy more than three quarters, so that IPv4 clients are not
/// affected. If there is no entry left for a new client, it replaces the client without connections whose bucket is
/// nearest to full, that is, the least limited one. If all clients of a stripe have connections, the new client gets
/// ``Admission/tableFull``, which is counted; clients in the table are not affected.
struct PerClientLimiter: @unchecked Sendable {
    // Sendable: all mutable state is protected by the lock of a stripe, and the owner outlives all holders.

    /// The limits of one client.
    struct Limit: Hashable, Sendable {
        /// Maximum number of concurrent connections; nil is unlimited.
        var connections: Int?
        /// Maximum rate of new connections; nil is unlimited.
        var rate: TokenRate?
    }

    enum Admission: Hashable, Sendable {
        /// The connection is counted until ``PerClientLimiter/release(_:at:)``. All other verdicts count nothing and take
        /// no token.
        case admitted
        case tooManyConnections
        case tooFast
        case tableFull
    }

    /// The addresses that are counted together with a client; IPv4 clients are always counted on their own.
    enum Grouping: UInt8, CaseIterable {
        /// The configured prefix length.
        case client
        /// A /56 network.
        case site
        /// A /48 network.
        case organization
    }

    /// The number of stripes, each with a lock: with many more stripes than workers, contention is rare.
    static var stripeCount: Int { 64 }
    /// The default number of clients in the table.
    static var defaultCapacity: Int { 65_536 }
    static var highestCapacity: Int { 1 << 24 }

    private struct Stripe: ~Copyable {
        let clients: Mutex<PerClientShard>
        /// Puts the lock of the next stripe on another cache line.
        let padding: (Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0)
    }

    private let stripes: UnsafeMutablePointer<Stripe>
    private let pages: MappedMemory
    private let seed: UInt64
    /// Masks of the bits of an IPv6 address that distinguish clients, by grouping.
    private let ipv6Masks: (client: UInt128, site: UInt128, organization: UInt128)

    /// Creates a limiter in memory of its own.
    init(capacity: Int = defaultCapacity, ipv6PrefixLength: Int = 128, seed: UInt64 = .random(in: .min ... .max)) {
        let pages = MappedMemory(bytes: Self.bytes(capacity: capacity))
        self.init(in: pages, capacity: capacity, ipv6PrefixLength: ipv6PrefixLength, seed: seed)
    }

    /// Returns the size of the memory for a number of clients.
    static func bytes(capacity: Int) -> Int { PerClientShard.bytes(places: places(capacity)) * stripeCount }

    /// - Parameters:
    ///   - pages: zeroed pages, ``bytes(capacity:)`` of them; the limiter frees them.
    ///   - capacity: number of clients in the table, 1 to ``highestCapacity``. Because the hash does not distribute
    ///     them evenly, there is a margin above it. Physical memory is used as clients are added, about 60 bytes for
    ///     each.
    ///   - ipv6PrefixLength: IPv6 addresses that share this many leading bits count as one client, 1-128. A /64 is the
    ///     usual assignment to one customer, which can use any address in it.
    ///   - seed: hash seed, a parameter for tests.
    init(
        in pages: MappedMemory,
        capacity: Int = defaultCapacity,
        ipv6PrefixLength: Int = 128,
        seed: UInt64 = .random(in: .min ... .max)
    ) {
        precondition((1...Self.highestCapacity).contains(capacity), "1 to \(Self.highestCapacity) clients")
        precondition((1...128).contains(ipv6PrefixLength), "1 to 128 bits of an address")
        self.seed = seed
        ipv6Masks = (
            CIDRBlock.mask(ipv6PrefixLength), CIDRBlock.mask(min(ipv6PrefixLength, 56)),
            CIDRBlock.mask(min(ipv6PrefixLength, 48))
        )
        let places = Self.places(capacity)
        let bytes = PerClientShard.bytes(places: places)
        self.pages = pages
        stripes = .allocate(capacity: Self.stripeCount)
        for index in 0..<Self.stripeCount {
            let stripe = PerClientShard(places: places, memory: pages.base + index * bytes)
            (stripes + index).initialize(to: Stripe(clients: Mutex(stripe)))
        }
    }

    /// Returns the entries of one stripe: its share of the capacity plus a margin of six standard deviations of a
    /// Poisson distribution, which an even hash does not exceed.
    private static func places(_ capacity: Int) -> Int {
        let share = Double(capacity) / Double(stripeCount)
        return Int((share + 6 * share.squareRoot()).rounded(.up))
    }

    func free() {
        stripes.deinitialize(count: Self.stripeCount)
        stripes.deallocate()
        pages.free()
    }

    /// Reserves a connection for a client, if its limits permit.
    ///
    /// - Parameter limit: the currently configured limits; they may differ between calls.
    func reserve(_ client: InternetAddress, _ limit: Limit, at now: Instant) -> Admission {
        admit(client, limit, at: now).admission
    }

    /// Reserves a connection for a client, if its limits permit.
    ///
    /// - Returns: also the grouping under which it is counted, for ``release(_:as:at:)``.
    func admit(_ client: InternetAddress, _ limit: Limit, at now: Instant) -> (admission: Admission, Grouping) {
        let own = key(client, .client)
        if let admission = reserve(own, limit, at: now, isLast: client.isIPv4) { return (admission, .client) }
        let site = key(client, .site)
        if let admission = reserve(site, limit, at: now, isLast: false) { return (admission, .site) }
        let organization = key(client, .organization)
        return (reserve(organization, limit, at: now, isLast: true) ?? .tableFull, .organization)
    }

    /// - Returns: nil if the client is to be counted by a longer aggregate.
    private func reserve(_ key: PerClientShard.Key, _ limit: Limit, at now: Instant, isLast: Bool) -> Admission? {
        stripes[Self.stripe(key)].clients.withLock { $0.reserve(key, limit, at: now, isLast: isLast) }
    }

    /// Releases a connection that was admitted.
    func release(_ client: InternetAddress, as grouping: Grouping = .client, at now: Instant) {
        let key = key(client, grouping)
        stripes[Self.stripe(key)].clients.withLock { $0.release(key, at: now) }
    }

    /// Number of clients in the table, and number of clients rejected because it was full. Takes the lock of each
    /// stripe once.
    var figures: (clients: Int, refusals: Int) {
        (0..<Self.stripeCount).reduce(into: (clients: 0, refusals: 0)) { sum, index in
            let figures = stripes[index].clients.withLock { ($0.count, $0.refusals) }
            sum.clients += figures.0
            sum.refusals += figures.1
        }
    }

    private func key(_ client: InternetAddress, _ grouping: Grouping) -> PerClientShard.Key {
        var bits = client.bits
        if !client.isIPv4 {
            switch grouping {
            case .client: bits &= ipv6Masks.client
            case .site: bits &= ipv6Masks.site
            case .organization: bits &= ipv6Masks.organization
            }
        }
        // The same link-local address on two interfaces is two clients.
        var hash = SplitMix64.mix(UInt64(bits >> 64) ^ seed)
        hash = SplitMix64.mix(hash ^ UInt64(truncatingIfNeeded: bits) &+ UInt64(client.scope) << 32 &+ seed)
        // A /64 whose first address is that of its /48 is another client than the /48.
        hash = SplitMix64.mix(hash &+ UInt64(grouping.rawValue))
        return PerClientShard.Key(
            bits: bits,
            scope: client.scope | UInt32(grouping.rawValue) << 30,
            hash: hash,
            isIPv4: client.isIPv4,
            grouping: grouping
        )
    }

    /// Uses the upper bits of the hash; the lower bits select the chain.
    private static func stripe(_ key: PerClientShard.Key) -> Int {
        Int(key.hash >> 32) % stripeCount
    }
}
