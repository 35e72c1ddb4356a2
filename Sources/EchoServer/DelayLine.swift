import Sockets

/// The pieces of a connection's unsent bytes that still have to wait, in order.
struct DelayLine {
    /// The most pieces that may wait; beyond them nothing more is received.
    static var limit: Int { 1024 }

    private struct Piece {
        var due: Instant
        var count: Int
    }

    private var pieces: [Piece] = []
    private var first = 0
    private var generator: SplitMix64
    private var drawn = 0

    /// - Parameter seed: decides the random delays.
    init(seed: UInt64) {
        generator = SplitMix64(seed: seed)
    }

    var isFull: Bool { pieces.count - first >= Self.limit }

    /// When the next piece may go; nil if none waits.
    var nextDue: Instant? { first < pieces.count ? pieces[first].due : nil }

    /// Lets a piece wait, from now on, for as long as the distribution says.
    mutating func add(_ count: Int, now: Instant, delays: DelayDistribution) {
        pieces.append(Piece(due: now + delays.delay(of: drawn, from: &generator), count: count))
        drawn += 1
    }

    /// Lets go what is due, and nothing that is behind something else that is not.
    ///
    /// - Returns: of how many bytes.
    mutating func release(until now: Instant) -> Int {
        var count = 0
        while first < pieces.count, pieces[first].due <= now {
            count += pieces[first].count
            first += 1
        }
        if first == pieces.count {
            pieces.removeAll(keepingCapacity: true)
            first = 0
        } else if first >= Self.limit {
            pieces.removeFirst(first)
            first = 0
        }
        return count
    }
}
