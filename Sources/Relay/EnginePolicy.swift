/// Whether a direction copies its bytes through user space or splices them through a pipe.
public enum Engine: String, Sendable, CaseIterable {
    /// Small messages are copied, larger ones are spliced: each direction goes by the sizes of its recent transfers.
    case auto
    /// Nothing is spliced.
    case copy
    /// Everything is spliced for which there is a pipe, whatever its size; for tests.
    case splice
}

/// The numbers behind ``Engine/auto``.
///
/// Measured on loopback with round trips of equal messages: on 64 connections copying costs less up to 24 KiB (16.6 us against
/// 18.0), and splicing from 32 KiB on (21.1 against 25.8); on one connection splicing already costs less from 16 KiB on. At
/// 48 KiB splicing costs half.
@usableFromInline
enum SplicePolicy {
    /// A copied transfer of at least this size speaks for splicing, in bytes.
    @inlinable static var spliceFrom: Int { 24 * 1024 }
    /// Consecutive copied transfers of that size after which a direction splices.
    @inlinable static var transfersToSplice: UInt8 { 2 }
    /// A spliced transfer below this size speaks for copying, in bytes.
    @inlinable static var copyBelow: Int { 16 * 1024 }
    /// Consecutive spliced transfers below that size after which a direction copies.
    @inlinable static var transfersToCopy: UInt8 { 4 }
    /// A copied transfer of at least this size may belong to a stream, in bytes; for smaller ones the time is not read.
    @inlinable static var streamFrom: Int { 1024 }
    /// The most that is in a direction's pipe, in bytes.
    @inlinable static var window: Int { 1024 * 1024 }
    /// A pipe has one slot for each page of its capacity, and a slot may hold as little as one byte.
    @inlinable static var bytesPerSlot: Int { 4096 }
}
