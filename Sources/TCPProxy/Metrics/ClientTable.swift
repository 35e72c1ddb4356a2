import Sockets
import Workers

/// What ended connections of each client address add up to, in memory that does not grow.
///
/// Eight places for each value of a hash; where all are taken, the address that was seen longest ago is pushed out and
/// its figures go into ``other``. Pure, for one thread.
struct ClientTable: ~Copyable {
    /// Figures of one address; with `total` 0 the place is free.
    struct Entry {
        var address: PeerAddress
        var total: Int
        var bytesUpstream: Int
        var bytesDownstream: Int
        var firstSeen: Instant
        var lastSeen: Instant

        mutating func add(_ entry: Entry) {
            firstSeen = total == 0 ? entry.firstSeen : min(firstSeen, entry.firstSeen)
            lastSeen = max(lastSeen, entry.lastSeen)
            total += entry.total
            bytesUpstream += entry.bytesUpstream
            bytesDownstream += entry.bytesDownstream
        }
    }

    static var places: Int { 8 }

    /// The sum of what was pushed out.
    private(set) var other = Entry(
        address: .unix,
        total: 0,
        bytesUpstream: 0,
        bytesDownstream: 0,
        firstSeen: Instant(nanoseconds: 0),
        lastSeen: Instant(nanoseconds: 0)
    )
    private let pages: Pages
    private let entries: UnsafeMutablePointer<Entry>
    private let sets: Int

    /// - Parameter capacity: addresses it can hold, rounded up to a power of two times eight.
    init(capacity: Int = 1024) {
        var sets = 1
        while sets * Self.places < capacity { sets *= 2 }
        self.sets = sets
        pages = Pages(bytes: sets * Self.places * MemoryLayout<Entry>.stride)
        // Zeroed pages are free places: `total` is 0.
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
            if candidate.pointee.total == 0 {
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

    /// All that is known now.
    var all: [Entry] {
        UnsafeBufferPointer(start: entries, count: sets * Self.places).filter { $0.total > 0 }
    }

    private static func hash(_ address: PeerAddress) -> Int {
        guard case .internet(let internet) = address else { return 0 }
        // The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every bit of the address moves every bit.
        var bits = internet.high &* 0x9E37_79B9_7F4A_7C15 ^ internet.low
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return Int(truncatingIfNeeded: bits ^ bits >> 31)
    }
}

extension PeerAddress {
    /// The same client whatever its port.
    var withoutPort: PeerAddress {
        guard case .internet(var address) = self else { return self }
        address.port = 0
        return .internet(address)
    }
}
