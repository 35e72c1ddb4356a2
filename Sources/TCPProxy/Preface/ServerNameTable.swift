/// What holds for the name that a TLS client asks for: exact names before asterisks, of these the longest, and otherwise a
/// default.
///
/// A hash table for both kinds. The name is read once, from its end to its beginning; on the way each part of it that an
/// asterisk could stand before is looked up. A search allocates nothing.
struct ServerNameTable<Value: Sendable & Equatable>: Sendable, Equatable {
    private struct Entry: Equatable {
        let hash: UInt64
        /// Where its name is among all names.
        let name: Range<Int>
        let isWildcard: Bool
        let value: Value
    }

    /// The most names that one table can have.
    static var longest: Int { 100_000 }

    private let otherwise: Value
    private var names: [UInt8] = []
    private var entries: [Entry] = []
    /// Numbers of entries by their hash, -1 where there is none; each of them at its place or the next free one behind it.
    private var slots: [Int32]

    /// - Parameter otherwise: what holds for all other names, and for clients that give none.
    /// - Throws: a name that is given twice, or that there are too many of them.
    init(_ values: [(pattern: ServerNamePattern, value: Value)], otherwise: Value) throws(ServerNameTableError) {
        guard values.count <= Self.longest else { throw .tooLong(values.count, longest: Self.longest) }
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

    /// - Parameter name: in lower case and without a dot at its end, as ``ClientHello`` gives it; nil if there is none.
    func value(for name: UnsafeRawBufferPointer?) -> Value {
        guard let name, !name.isEmpty else { return otherwise }
        var found: Value?
        var hash = Self.seed
        for place in name.indices.reversed() {
            if name[place] == ServerName.dot, place > 0 {
                // The longer one comes later, and counts.
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

    /// The slot of an entry, or the free one where it would be: at least half of them are free.
    private func slot(_ name: UnsafeRawBufferPointer, _ hash: UInt64, isWildcard: Bool) -> Int {
        var slot = Int(truncatingIfNeeded: hash ^ hash >> 32) & (slots.count - 1)
        while case let number = Int(slots[slot]), number >= 0 {
            let entry = entries[number]
            if entry.hash == hash, entry.isWildcard == isWildcard, names[entry.name].elementsEqual(name) { break }
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }

    /// FNV-1a (Fowler, Noll and Vo), from the end of a name.
    private static var seed: UInt64 { 0xCBF2_9CE4_8422_2325 }

    private static func hash(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }
}

/// Why names make no table.
public enum ServerNameTableError: Error, Hashable, Sendable {
    case repeated(ServerNamePattern)
    /// So many names.
    case tooLong(Int, longest: Int)
}

extension ServerNameTableError: CustomStringConvertible {
    /// One sentence that says what is wrong and how to mend it.
    public var description: String {
        switch self {
        case .repeated(let pattern):
            "the server name '\(pattern)' is there twice: take one of them out"
        case .tooLong(let count, let longest):
            "\(count) server names are more than the \(longest) that a listener can have"
        }
    }
}
