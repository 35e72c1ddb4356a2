public import Randomness

/// The hash function for clients and for server names. It is fixed, so that every process and every version computes
/// the same value.
///
/// A word is mixed by ``SplitMix64/mix(_:)``. The hash of a text is initialized with its length in bytes. Each group of
/// eight bytes (first byte lowest, the last group padded with zeros) is then XORed in and mixed. The hash is not a defense
/// against clients that choose their address: two addresses that map to the same server are easy to find.
public enum KeyHash {
    /// Returns the key of a client's 128-bit address. An IPv4 address is passed in its IPv4-mapped form, so that it has
    /// one key.
    @inlinable
    public static func address(high: UInt64, low: UInt64) -> UInt64 {
        SplitMix64.mix(SplitMix64.mix(high) ^ low)
    }

    /// Returns the key of a name, computed from its UTF-8 bytes.
    ///
    /// - Parameter seed: A seed for several independent keys of one name.
    public static func name(_ name: String, seed: UInt64 = 0) -> UInt64 {
        var hash = SplitMix64.mix(seed ^ UInt64(name.utf8.count))
        var word: UInt64 = 0
        var filled: UInt64 = 0
        for byte in name.utf8 {
            word |= UInt64(byte) << filled
            filled += 8
            if filled == 64 {
                hash = SplitMix64.mix(hash ^ word)
                word = 0
                filled = 0
            }
        }
        return filled == 0 ? hash : SplitMix64.mix(hash ^ word)
    }
}
