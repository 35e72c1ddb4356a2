import EventLoop
import Randomness
import Sockets

/// Statistics of closed connections by client address, in a fixed amount of memory.
///
/// A set-associative hash table with eight entries per set. If a set is full, the entry last seen the longest time ago
/// is evicted and added to ``other``. No side effects; for use by one thread.
struct ClientTable: ~Copyable {
    /// Statistics of one address.
    struct Entry {
        var address: PeerAddress
        var total: Int
        var bytesUpstream: Int
        var bytesDownstream: Int
        var firstSeen: Instant
        var lastSeen: Instant
        /// Number of connections that a listener denied. Those denied before they had a session are not in `total`.
        var denied = 0

        var isFree: Bool { total == 0 && denied == 0 }

        mutating func add(_ entry: Entry) {
            firstSeen = isFree ? entry.firstSeen : min(firstSeen, entry.firstSeen)
            lastSeen = max(lastSeen, entry.lastSeen)
            total += entry.total
            bytesUpstream += entry.bytesUpstream
            bytesDownstream += entry.bytesDownstream
            denied += entry.denied
        }
    }

    static var places: Int { 8 }

    /// Sum of the evicted entries.
    private(set) var other = Entry(
        address: .unix,
        total: 0,
        bytesUpstream: 0,
        bytesDownstream: 0,
        firstSeen: Instant(nanoseconds: 0),
        lastSeen: Instant(nanoseconds: 0)
    )
    private let pages: MappedMemory
    private let entries: UnsafeMutablePointer<Entry>
    private let sets: Int

    /// - Parameter capacity: minimum number of entries, rounded up to eight times a power of two.
    init(capacity: Int = 1024) {
        var sets = 1
        while sets * Self.places < capacity { sets *= 2 }
        self.sets = sets
        pages = MappedMemory(bytes: sets * Self.places * MemoryLayout<Entry>.stride)
        // Zeroed pages are free entries.
        entries = pages.base.bindMemory(to: Entry.self, capacity: sets * Self.places)
    }

    deinit {
        pages.free()
    }

    mutating func record(_ entry: Entry) {
        let set = Self.hash(entry.address) & (sets - 1)
        let first = entries + set * Self.places
        var place = first
        for candidate in first..<(first + Self.places) {
            if candidate.pointee.isFree {
                candidate.initialize(to: entry)
                return
            }
            if candidate.pointee.address == entry.address {
                candidate.pointee.add(entry)
                return
            }
            if candidate.pointee.lastSeen < place.pointee.lastSeen { place = candidate }
        }
        other.add(place.pointee)
        place.pointee = entry
    }

    /// All entries in use.
    var all: [Entry] {
        UnsafeBufferPointer(start: entries, count: sets * Self.places).filter { !$0.isFree }
    }

    private static func hash(_ address: PeerAddress) -> Int {
        guard case .internet(let internet) = address else { return 0 }
        return Int(truncatingIfNeeded: SplitMix64.mix(SplitMix64.mix(internet.high) ^ internet.low))
    }
}

extension PeerAddress {
    /// The same address with port 0.
    var withoutPort: PeerAddress {
        guard case .internet(var address) = self else { return self }
        address.port = 0
        return .internet(address)
    }
}
