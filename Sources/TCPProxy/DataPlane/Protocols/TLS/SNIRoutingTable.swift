/// Map from SNI host names to values: an exact name has priority over wildcards, a longer wildcard over a shorter one;
/// all other names map to a default.
///
/// One hash table holds both kinds. A lookup reads the name once, from its end to its start, and looks up each suffix
/// that a wildcard could match on the way. It allocates nothing.
struct SNIRoutingTable<Value: Sendable & Equatable>: Sendable, Equatable {
    private struct Entry: Equatable {
        let hash: UInt64
        /// Range of the entry's name in `names`.
        let name: Range<Int>
        let isWildcard: Bool
        let value: Value
    }

    /// Maximum number of names in a table.
    static var maxNames: Int { 100_000 }

    private let otherwise: Value
    private var names: [UInt8] = []
    private var entries: [Entry] = []
    /// Indexes of entries, or -1 for a free slot; open addressing with linear probing, by the hash of the entry.
    private var slots: [Int32]

    /// - Parameter otherwise: value for all other names and for clients that send no name.
    /// - Throws: ``SNIRoutingTableError`` if a name occurs twice or there are too many names.
    init(_ values: [(pattern: SNIPattern, value: Value)], otherwise: Value) throws(SNIRoutingTableError) {
        guard values.count <= Self.maxNames else { throw .tooLong(values.count, max: Self.maxNames) }
        var slotCount = 2
        while slotCount < 2 * values.count { slotCount *= 2 }
        slots = Array(repeating: -1, count: slotCount)
        self.otherwise = otherwise
        for (pattern, value) in values {
            let start = names.count
            names.append(contentsOf: pattern.name.utf8)
            let hash = names[start...].reversed().reduce(Self.seed, Self.hash)
            let slot = names.withUnsafeBytes { bytes in
                self.slot(UnsafeRawBufferPointer(rebasing: bytes[start...]), hash, isWildcard: pattern.isWildcard)
            }
            guard slots[slot] < 0 else { throw .repeated(pattern) }
            slots[slot] = Int32(entries.count)
            entries.append(
                Entry(hash: hash, name: start..<names.count, isWildcard: pattern.isWildcard, value: value)
            )
        }
    }

    /// Returns the value for a name.
    ///
    /// - Parameter name: in lower case without a trailing dot, as in ``ClientHello``; nil if the client sent none.
    func value(for name: UnsafeRawBufferPointer?) -> Value {
        guard let name, !name.isEmpty else { return otherwise }
        var found: Value?
        var hash = Self.seed
        for place in name.indices.reversed() {
            if name[place] == SNIHostName.dot, place > 0 {
                // A longer suffix is found later and has priority.
                let rest = UnsafeRawBufferPointer(rebasing: name[(place + 1)...])
                found = value(rest, hash, isWildcard: true) ?? found
            }
            hash = Self.hash(hash, name[place])
        }
        return value(name, hash, isWildcard: false) ?? found ?? otherwise
    }

    private func value(_ name: UnsafeRawBufferPointer, _ hash: UInt64, isWildcard: Bool) -> Value? {
        let number = slots[slot(name, hash, isWildcard: isWildcard)]
        return number < 0 ? nil : entries[Int(number)].value
    }

    /// Returns the slot of an entry, or the free slot in which to insert it; at least half of the slots are free.
    private func slot(_ name: UnsafeRawBufferPointer, _ hash: UInt64, isWildcard: Bool) -> Int {
        var slot = Int(truncatingIfNeeded: hash ^ hash >> 32) & (slots.count - 1)
        while case let number = Int(slots[slot]), number >= 0 {
            let entry = entries[number]
            if entry.hash == hash, entry.isWildcard == isWildcard, names[entry.name].elementsEqual(name) { break }
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }

    /// Initial value of the hash: FNV-1a (Fowler, Noll and Vo), applied from the end of a name.
    private static var seed: UInt64 { 0xCBF2_9CE4_8422_2325 }

    private static func hash(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }
}

/// Error of building a table of SNI host names.
public enum SNIRoutingTableError: Error, Hashable, Sendable {
    /// A name occurs twice.
    case repeated(SNIPattern)
    /// Number of names, and the maximum that it exceeds.
    case tooLong(Int, max: Int)
}

extension SNIRoutingTableError: CustomStringConvertible {
    /// One sentence that states the cause and how to fix it.
    public var description: String {
        switch self {
        case .repeated(let pattern):
            "duplicate SNI host name '\(pattern)': remove one of them"
        case .tooLong(let count, let max):
            "\(count) SNI host names: must be at most \(max)"
        }
    }
}
