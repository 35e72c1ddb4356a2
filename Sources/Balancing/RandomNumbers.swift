/// Random numbers for picks, the same ones for the same seed: SplitMix64. Not for secrets.
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

    /// Evenly from 0 up to a bound, but for an error below the bound's share of 2^64.
    @inlinable
    mutating func next(below bound: Int) -> Int {
        KeyHash.point(next(), below: bound)
    }
}
