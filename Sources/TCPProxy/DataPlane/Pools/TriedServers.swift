/// The servers of a pool that have failed for a connection, by position.
///
/// A bit for each of the first 64 positions, and a short list for the others, so that only servers that were tried are
/// skipped. Once the list is full, all positions beyond the first 64 count as tried, which bounds the attempts of a
/// connection.
struct TriedServers: Equatable {
    private var bits: UInt64 = 0
    /// Positions from 64 on, plus 1, in 16 bits each.
    private var others: (UInt64, UInt64) = (0, 0)
    private var otherCount: UInt8 = 0

    /// The number of positions with a bit each.
    static var positionsWithBit: Int { 64 }
    /// The maximum number of attempts at servers at other positions.
    static var maxOthers: Int { 8 }

    var isEmpty: Bool { bits == 0 && otherCount == 0 }

    func contains(_ position: Int) -> Bool {
        if position < Self.positionsWithBit { return bits & 1 << UInt64(position) != 0 }
        return otherCount > 0 && (otherCount == Self.maxOthers || hasOther(position))
    }

    mutating func insert(_ position: Int) {
        guard position >= Self.positionsWithBit else { return bits |= 1 << UInt64(position) }
        guard otherCount < Self.maxOthers, !hasOther(position) else { return }
        let value = UInt64(UInt16(truncatingIfNeeded: position + 1)) << UInt64(otherCount % 4 * 16)
        if otherCount < 4 { others.0 |= value } else { others.1 |= value }
        otherCount += 1
    }

    private func hasOther(_ position: Int) -> Bool {
        Self.contains(others.0, position) || Self.contains(others.1, position)
    }

    private static func contains(_ word: UInt64, _ position: Int) -> Bool {
        let wanted = UInt16(truncatingIfNeeded: position + 1)
        return UInt16(truncatingIfNeeded: word) == wanted || UInt16(truncatingIfNeeded: word >> 16) == wanted
            || UInt16(truncatingIfNeeded: word >> 32) == wanted || UInt16(truncatingIfNeeded: word >> 48) == wanted
    }

    static func == (left: TriedServers, right: TriedServers) -> Bool {
        left.bits == right.bits && left.others == right.others
    }
}
