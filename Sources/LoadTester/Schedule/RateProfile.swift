/// How the rate of requests goes over time: pieces one after the other, in each of which it rises or falls evenly. After
/// the last piece its final rate goes on.
public struct RateProfile: Sendable, Hashable {
    /// One even change, or none.
    public struct Piece: Sendable, Hashable {
        /// At least a nanosecond.
        public var duration: Duration
        /// Requests per second at its start, 0 at least.
        public var from: Double
        /// Requests per second at its end, 0 at least.
        public var to: Double

        /// A piece of that length, from a rate to a rate.
        public init(duration: Duration, from: Double, to: Double) {
            self.duration = duration
            self.from = from
            self.to = to
        }
    }

    /// One after the other, from the start.
    public private(set) var pieces: [Piece]
    /// Requests per second when the pieces are over.
    public private(set) var finalRate: Double

    /// The same rate for ever.
    ///
    /// - Parameter rate: requests per second, more than 0.
    public static func constant(_ rate: Double) -> RateProfile {
        RateProfile(pieces: [], finalRate: rate)
    }

    /// An even change, after which the rate stays.
    public static func ramp(from: Double, to: Double, over duration: Duration) -> RateProfile {
        RateProfile(pieces: [Piece(duration: duration, from: from, to: to)], finalRate: to)
    }

    /// The same profile after a time at its first rate.
    public func after(_ duration: Duration) -> RateProfile {
        guard duration > .zero else { return self }
        let first = pieces.first?.from ?? finalRate
        return RateProfile(pieces: [Piece(duration: duration, from: first, to: first)] + pieces, finalRate: finalRate)
    }

    /// The highest rate that it ever has.
    public var highestRate: Double {
        pieces.reduce(finalRate) { max($0, $1.from, $1.to) }
    }

    /// How many requests become due in a span of time, both ends counted from the start.
    public func requests(from start: Duration, to end: Duration) -> Double {
        requests(until: end) - requests(until: start)
    }

    private func requests(until moment: Duration) -> Double {
        var rest = moment / .seconds(1)
        var count = 0.0
        for piece in pieces {
            let length = piece.duration / .seconds(1)
            let part = min(rest, length)
            count += piece.from * part + (piece.to - piece.from) * part * part / (2 * length)
            rest -= part
        }
        return count + finalRate * rest
    }
}

/// How requests are spread in time around their rate.
public enum Arrivals: String, Sendable, Hashable, Codable, CaseIterable {
    /// At even distances.
    case constant
    /// Independent of each other, as those of many users are: a Poisson process.
    case poisson
}

extension RateProfile: CustomStringConvertible {
    /// As it is written on the command line: `20000/s`, `0..50000/s over 30s`.
    public var description: String {
        if let first = pieces.first {
            return "\(first.from.short)..\(finalRate.short)/s over \((first.duration / .seconds(1)).short)s"
        }
        return "\(finalRate.short)/s"
    }
}

extension Double {
    /// Without a point where it is whole.
    var short: String {
        rounded() == self && magnitude < 1e15 ? "\(Int64(self))" : "\(self)"
    }
}
