/// The hash of clients and of server names: fixed, so that it is the same in every process and every version.
///
/// A word is mixed by the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014, with Stafford's constants), in which each bit of the input changes each bit of the output with a
/// probability of about one half. A text starts at its length in bytes, and each eight of its bytes, the first being the
/// lowest and the last filled up with zeros, are xored in and mixed. It is no defence against a client that chooses its
/// address: nobody is kept from finding two addresses with the same server.
public enum KeyHash {
    /// A permutation of the 64-bit words.
    @inlinable
    public static func mix(_ word: UInt64) -> UInt64 {
        var mixed = word &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// The key of a client by its 128 bits of address; an IPv4 address in its IPv6 form, so that it has one key.
    @inlinable
    public static func address(high: UInt64, low: UInt64) -> UInt64 {
        mix(mix(high) ^ low)
    }

    /// The key of a name, by its bytes in UTF-8.
    ///
    /// - Parameter seed: for several keys of one name that have nothing to do with each other.
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

    /// A point below a bound, evenly from the whole range of a hash.
    @inlinable
    static func point(_ hash: UInt64, below bound: Int) -> Int {
        Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(truncatingIfNeeded: bound)).high)
    }
}
