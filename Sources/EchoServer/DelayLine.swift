import Randomness
import Sockets

/// The pieces of a connection's unsent bytes whose delay has not expired, in order.
struct DelayLine {
    /// Maximum number of delayed pieces; once it is reached, the connection is not read.
    static var limit: Int { 1024 }

    private struct Piece {
        var due: Instant
        var count: Int
    }

    private var pieces: [Piece] = []
    private var first = 0
    private var generator: SplitMix64
    private var drawn = 0

    /// - Parameter seed: seed of the random delays.
    init(seed: UInt64) {
        generator = SplitMix64(seed: seed)
    }

    var isFull: Bool { pieces.count - first >= Self.limit }

    /// When the next piece becomes due; nil if there is none.
    var nextDue: Instant? { first < pieces.count ? pieces[first].due : nil }

    /// Adds a piece of `count` bytes, due after a delay drawn from the distribution.
    mutating func add(_ count: Int, now: Instant, delays: EchoServer.DelayDistribution) {
        pieces.append(Piece(due: now + delays.delay(of: drawn, from: &generator), count: count))
        drawn += 1
    }

    /// Removes the pieces that are due. A piece that is due stays queued behind one that is not.
    ///
    /// - Returns: the number of bytes in the removed pieces.
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
