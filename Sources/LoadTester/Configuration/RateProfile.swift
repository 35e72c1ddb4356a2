extension LoadTest {
    /// The rate of requests over time: consecutive pieces, in each of which the rate changes linearly. After the last
    /// piece the final rate applies.
    public struct RateProfile: Sendable, Hashable {
        /// A linear change of the rate, or a constant rate.
        public struct Piece: Sendable, Hashable {
            /// Length of the piece, at least 1 ns.
            public var duration: Duration
            /// Requests per second at the start, at least 0.
            public var from: Double
            /// Requests per second at the end, at least 0.
            public var to: Double

            /// Creates a piece of a length, with the rates at its start and end.
            public init(duration: Duration, from: Double, to: Double) {
                self.duration = duration
                self.from = from
                self.to = to
            }
        }

        /// The pieces, in order.
        public private(set) var pieces: [Piece]
        /// Requests per second after the last piece.
        public private(set) var finalRate: Double

        /// Returns a constant rate.
        ///
        /// - Parameter rate: requests per second, greater than 0.
        public static func constant(_ rate: Double) -> RateProfile {
            RateProfile(pieces: [], finalRate: rate)
        }

        /// Returns a linear change, after which the rate is constant.
        public static func ramp(from: Double, to: Double, over duration: Duration) -> RateProfile {
            RateProfile(pieces: [Piece(duration: duration, from: from, to: to)], finalRate: to)
        }

        /// Returns the profile preceded by a time at its first rate.
        public func after(_ duration: Duration) -> RateProfile {
            guard duration > .zero else { return self }
            let first = pieces.first?.from ?? finalRate
            return RateProfile(
                pieces: [Piece(duration: duration, from: first, to: first)] + pieces,
                finalRate: finalRate
            )
        }

        /// Maximum rate of the profile.
        public var highestRate: Double {
            pieces.reduce(finalRate) { max($0, $1.from, $1.to) }
        }
    }
}

extension LoadTest.RateProfile: CustomStringConvertible {
    /// The profile in command-line syntax: `20000/s`, `0..50000/s over 30s`.
    public var description: String {
        if let first = pieces.first {
            return "\(first.from.short)..\(finalRate.short)/s over \((first.duration / .seconds(1)).short)s"
        }
        return "\(finalRate.short)/s"
    }
}

extension Double {
    /// The number, without a decimal point if it is an integer.
    var short: String {
        rounded() == self && magnitude < 1e15 ? "\(Int64(self))" : "\(self)"
    }
}
