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
/// The entry of a client that has no connections and a full bucket is removed, because it holds no information. If the
/// table is full and no entry can be removed, new clients get ``Admission/tableFull``, which is counted; clients in the
/// table are not affected.
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
    /// Mask of the bits of an IPv6 address that distinguish clients.
    private let ipv6Mask: UInt128

    /// - Parameters:
    ///   - capacity: number of clients in the table, 1 to ``highestCapacity``. Because the hash does not distribute
    ///     them evenly, there is a margin above it. Physical memory is used as clients are added, about 60 bytes for
    ///     each.
    ///   - ipv6PrefixLength: IPv6 addresses that share this many leading bits count as one client, 1-128. A /64 is the
    ///     usual assignment to one customer, which can use any address in it.
    ///   - seed: hash seed, a parameter for tests.
    init(capacity: Int = defaultCapacity, ipv6PrefixLength: Int = 128, seed: UInt64 = .random(in: .min ... .max)) {
        precondition((1...Self.highestCapacity).contains(capacity), "1 to \(Self.highestCapacity) clients")
        precondition((1...128).contains(ipv6PrefixLength), "1 to 128 bits of an address")
        self.seed = seed
        ipv6Mask = CIDRBlock.mask(ipv6PrefixLength)
        let places = Self.places(capacity)
        let bytes = PerClientShard.bytes(places: places)
        pages = MappedMemory(bytes: bytes * Self.stripeCount)
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
        let key = key(client)
        return stripes[Self.stripe(key)].clients.withLock { $0.reserve(key, limit, at: now) }
    }

    /// Releases a connection that was admitted.
    func release(_ client: InternetAddress, at now: Instant) {
        let key = key(client)
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

    private func key(_ client: InternetAddress) -> PerClientShard.Key {
        let bits = client.isIPv4 ? client.bits : client.bits & ipv6Mask
        // The same link-local address on two interfaces is two clients.
        var hash = SplitMix64.mix(UInt64(bits >> 64) ^ seed)
        hash = SplitMix64.mix(hash ^ UInt64(truncatingIfNeeded: bits) &+ UInt64(client.scope) << 32 &+ seed)
        return PerClientShard.Key(bits: bits, scope: client.scope, hash: hash)
    }

    /// Uses the upper bits of the hash; the lower bits select the chain.
    private static func stripe(_ key: PerClientShard.Key) -> Int {
        Int(key.hash >> 32) % stripeCount
    }
}
