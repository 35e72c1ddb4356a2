/// What the poller says back with an event: whose it is.
///
/// It carries a slot and that slot's generation, so that an event for a closed descriptor, still in the batch, is told
/// from one for the descriptor that has taken its slot since.
public struct Token: Hashable, Sendable {
    public var bits: UInt64

    @inlinable
    public init(bits: UInt64) {
        self.bits = bits
    }

    /// - Parameters:
    ///   - slot: the place in the slab, at most 2^31 - 1.
    ///   - generation: how often that place had been taken, in its low 24 bits.
    ///   - kind: what the descriptor is to its owner, in 8 bits.
    @inlinable
    public init(slot: Int, generation: UInt32, kind: UInt8) {
        bits = UInt64(UInt32(truncatingIfNeeded: slot)) << 32 | UInt64(generation & 0xFF_FFFF) << 8 | UInt64(kind)
    }

    @inlinable
    public var slot: Int { Int(bits >> 32) }

    @inlinable
    public var generation: UInt32 { UInt32(truncatingIfNeeded: bits >> 8) & 0xFF_FFFF }

    @inlinable
    public var kind: UInt8 { UInt8(truncatingIfNeeded: bits) }
}
