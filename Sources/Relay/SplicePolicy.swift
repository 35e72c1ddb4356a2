/// The thresholds of ``RelayEngine/auto``.
///
/// Measured on loopback with round trips of equal messages. With 64 connections copying costs less up to 24 KiB (16.6
/// us versus 18.0 us), and splicing costs less from 32 KiB on (21.1 us versus 25.8 us). With one connection splicing
/// costs less from 16 KiB on. At 48 KiB splicing costs half as much as copying.
@usableFromInline
enum SplicePolicy {
    /// The minimum size in bytes of a copied transfer that counts toward splicing.
    @inlinable static var spliceFrom: Int { 24 * 1024 }
    /// The number of consecutive copied transfers of at least that size after which a direction splices.
    @inlinable static var transfersToSplice: UInt8 { 2 }
    /// The size in bytes below which a spliced transfer counts toward copying.
    @inlinable static var copyBelow: Int { 16 * 1024 }
    /// The number of consecutive spliced transfers below that size after which a direction copies.
    @inlinable static var transfersToCopy: UInt8 { 4 }
    /// The minimum size in bytes of a copied transfer that can belong to a stream; for smaller ones the time is not
    /// read.
    @inlinable static var streamFrom: Int { 1024 }
    /// The maximum number of bytes in a direction's pipe.
    @inlinable static var window: Int { 1024 * 1024 }
    /// The bytes of pipe capacity per slot. A pipe has one slot per page of its capacity, and a slot may hold as little
    /// as one byte.
    @inlinable static var bytesPerSlot: Int { 4096 }
}
