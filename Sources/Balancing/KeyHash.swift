/// The hash function for clients and for server names. It is fixed, so that every process and every version computes
/// the same value.
///
/// A word is mixed by the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014, with Stafford's constants), in which each bit of the input changes each bit of the output with a
/// probability of about one half. The hash of a text is initialized with its length in bytes. Each group of eight bytes
/// (first byte lowest, the last group padded with zeros) is then XORed in and mixed. The hash is not a defense against
/// clients that choose their address: two addresses that map to the same server are easy to find.
public enum KeyHash {
    /// Mixes a 64-bit word; the function is a permutation.
    @inlinable
    public static func mix(_ word: UInt64) -> UInt64 {
        var mixed = word &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Returns the key of a client's 128-bit address. An IPv4 address is passed in its IPv4-mapped form, so that it has
    /// one key.
    @inlinable
    public static func address(high: UInt64, low: UInt64) -> UInt64 {
        mix(mix(high) ^ low)
    }

    /// Returns the key of a name, computed from its UTF-8 bytes.
    ///
    /// - Parameter seed: A seed for several independent keys of one name.
    public static func name(_ name: String, seed: UInt64 = 0) -> UInt64 {
        var hash = mix(seed ^ UInt64(name.utf8.count))
        var word: UInt64 = 0
        var filled: UInt64 = 0
        for byte in name.utf8 {
            word |= UInt64(byte) << filled
            filled += 8
            if filled == 64 {
                hash = mix(hash ^ word)
                word = 0
                filled = 0
            }
        }
        return filled == 0 ? hash : mix(hash ^ word)
    }

    /// Maps the full range of a hash uniformly to an integer below a bound.
    @inlinable
    static func point(_ hash: UInt64, below bound: Int) -> Int {
        Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(truncatingIfNeeded: bound)).high)
    }
}
