/// The pseudorandom numbers for picks, reproducible from the seed: SplitMix64. Not suitable for secrets.
public struct RandomNumbers: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64

    @inlinable
    public init(seed: UInt64) {
        state = seed
    }

    @inlinable
    public mutating func next() -> UInt64 {
        defer { state &+= 0x9E37_79B9_7F4A_7C15 }
        return KeyHash.mix(state)
    }

    /// Returns a uniformly distributed integer from 0 up to a bound, with a bias of less than `bound` / 2^64.
    @inlinable
    mutating func next(below bound: Int) -> Int {
        KeyHash.point(next(), below: bound)
    }
}
