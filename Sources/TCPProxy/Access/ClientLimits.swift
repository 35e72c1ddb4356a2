import Sockets
import Synchronization
import Workers

/// How many connections each client address has, and how fast it comes, for the whole process and in memory that does not
/// grow.
///
/// Used by all workers at accept and close. The clients are spread over a few stripes by a hash that nobody outside can
/// foresee, and each stripe has a lock, which is held for some ten nanoseconds. Nothing is allocated after the start.
///
/// A client is forgotten when it has no connections and a full bucket, for then it is like one that never came. When as many
/// clients as there are places cannot be forgotten, further ones are told ``Verdict/tableFull``, which is counted; those that
/// are known go on as before.
struct ClientLimits: @unchecked Sendable {
    // Sendable: all that changes is behind a stripe's lock, and the owner outlives all who hold this.

    /// What a client may do.
    struct Limit: Hashable, Sendable {
        /// Connections at the same time; nil for any number.
        var connections: Int?
        /// New connections; nil for as fast as they come.
        var rate: TokenRate?
    }

    enum Verdict: Hashable, Sendable {
        /// Counted, until ``ClientLimits/release(_:at:)``. All others count nothing and take no token.
        case admitted
        case tooManyConnections
        case tooFast
        case tableFull
    }

    /// Stripes, each with its lock: with many more than workers, two of them seldom want the same one.
    static var stripeCount: Int { 64 }
    /// Clients that are known at the same time, unless somebody wants more or fewer.
    static var usualCapacity: Int { 65_536 }
    static var highestCapacity: Int { 1 << 24 }

    private struct Stripe: ~Copyable {
        let clients: Mutex<ClientStripe>
        /// The next one's lock is on another cache line.
        let padding: (Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0)
    }

    private let stripes: UnsafeMutablePointer<Stripe>
    private let pages: Pages
    private let seed: UInt64
    /// How many bits of an IPv6 address tell clients apart.
    private let ipv6Mask: UInt128

    /// - Parameters:
    ///   - capacity: clients that can be known at the same time, 1 to ``highestCapacity``. As the hash does not spread them
    ///     evenly, there is room for a few more. Memory is taken as clients come, about 60 bytes for each.
    ///   - ipv6PrefixLength: addresses of IPv6 that have so many bits in common are one client, 1 to 128. A network of 64
    ///     bits is what one customer has, who can take any address in it.
    ///   - seed: of the hash, for tests.
    init(capacity: Int = usualCapacity, ipv6PrefixLength: Int = 128, seed: UInt64 = .random(in: .min ... .max)) {
        precondition((1...Self.highestCapacity).contains(capacity), "1 to \(Self.highestCapacity) clients")
        precondition((1...128).contains(ipv6PrefixLength), "1 to 128 bits of an address")
        self.seed = seed
        ipv6Mask = AddressBlock.mask(ipv6PrefixLength)
        let places = Self.places(capacity)
        let bytes = ClientStripe.bytes(places: places)
        pages = Pages(bytes: bytes * Self.stripeCount)
        stripes = .allocate(capacity: Self.stripeCount)
        for index in 0..<Self.stripeCount {
            let stripe = ClientStripe(places: places, memory: pages.base + index * bytes)
            (stripes + index).initialize(to: Stripe(clients: Mutex(stripe)))
        }
    }

    /// Of one stripe: its share, and a margin that an even hash stays within (six standard deviations of a Poisson
    /// distribution).
    private static func places(_ capacity: Int) -> Int {
        let share = Double(capacity) / Double(stripeCount)
        return Int((share + 6 * share.squareRoot()).rounded(.up))
    }

    func free() {
        stripes.deinitialize(count: Self.stripeCount)
        stripes.deallocate()
        pages.free()
    }

    /// Counts a new connection of a client, if it may have one.
    ///
    /// - Parameter limit: as the configuration stands; it may be another one at each call.
    func reserve(_ client: InternetAddress, _ limit: Limit, at now: Instant) -> Verdict {
        let key = key(client)
        return stripes[Self.stripe(key)].clients.withLock { $0.reserve(key, limit, at: now) }
    }

    /// Takes back a connection that was admitted.
    func release(_ client: InternetAddress, at now: Instant) {
        let key = key(client)
        stripes[Self.stripe(key)].clients.withLock { $0.release(key, at: now) }
    }

    /// Clients that are known now, and how often there was no place for one. Takes each lock once.
    var figures: (clients: Int, refusals: Int) {
        (0..<Self.stripeCount).reduce(into: (clients: 0, refusals: 0)) { sum, index in
            let figures = stripes[index].clients.withLock { ($0.count, $0.refusals) }
            sum.clients += figures.0
            sum.refusals += figures.1
        }
    }

    private func key(_ client: InternetAddress) -> ClientStripe.Key {
        let bits = client.isIPv4 ? client.bits : client.bits & ipv6Mask
        // The same link-local address behind two interfaces is two clients.
        var hash = Self.mixed(UInt64(bits >> 64) ^ seed)
        hash = Self.mixed(hash ^ UInt64(truncatingIfNeeded: bits) &+ UInt64(client.scope) << 32 &+ seed)
        return ClientStripe.Key(bits: bits, scope: client.scope, hash: hash)
    }

    /// By the upper bits of the hash; the lower ones choose the chain.
    private static func stripe(_ key: ClientStripe.Key) -> Int {
        Int(key.hash >> 32) % stripeCount
    }

    /// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every bit moves every bit.
    private static func mixed(_ word: UInt64) -> UInt64 {
        var word = word &+ 0x9E37_79B9_7F4A_7C15
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}
