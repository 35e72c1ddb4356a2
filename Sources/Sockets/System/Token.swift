/// The value that the poller returns with an event to identify the descriptor's owner.
///
/// It contains a slot and the generation of that slot. An event of a closed descriptor that is still in the batch can
/// thus be distinguished from an event of the descriptor that has reused the slot.
public struct Token: Hashable, Sendable {
    public var bits: UInt64

    @inlinable
    public init(bits: UInt64) {
        self.bits = bits
    }

    /// - Parameters:
    ///   - slot: The index in the slab, at most 2^31 - 1.
    ///   - generation: The generation of the slot, low 24 bits.
    ///   - kind: The role of the descriptor, defined by its owner, 8 bits.
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
