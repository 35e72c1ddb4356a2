/// A small pseudorandom number generator, reproducible from its seed (Steele, Lea and Flood, "Fast Splittable
/// Pseudorandom Number Generators", OOPSLA 2014, with Stafford's constants). Not suitable for secrets.
public struct SplitMix64: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64

    @inlinable
    public init(seed: UInt64) {
        state = seed
    }

    @inlinable
    public mutating func next() -> UInt64 {
        defer { state &+= Self.increment }
        return Self.mix(state)
    }

    /// Returns a uniformly distributed integer from 0 up to a bound, with a bias of less than `bound` / 2^64.
    @inlinable
    public mutating func next(below bound: Int) -> Int {
        Self.scale(next(), below: bound)
    }

    /// Mixes a 64-bit word: a permutation in which each bit of the input changes each bit of the output with a
    /// probability of about one half. It is also the first output of a generator with the word as its seed.
    @inlinable
    public static func mix(_ word: UInt64) -> UInt64 {
        var mixed = word &+ increment
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// 2^64 divided by the golden ratio.
    @inlinable
    static var increment: UInt64 { 0x9E37_79B9_7F4A_7C15 }

    /// Maps the full range of a random number or a hash uniformly to an integer from 0 up to a bound.
    @inlinable
    public static func scale(_ number: UInt64, below bound: Int) -> Int {
        Int(truncatingIfNeeded: number.multipliedFullWidth(by: UInt64(truncatingIfNeeded: bound)).high)
    }
}
