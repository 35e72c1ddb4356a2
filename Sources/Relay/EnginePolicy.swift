/// When a half copies its bytes through user space, and when it splices them through a pipe.
public enum Engine: String, Sendable, CaseIterable {
    /// Each half copies, and splices while it is in bulk.
    case auto
    /// Nothing is spliced.
    case copy
    /// All is spliced for which there is a pipe, bulk or not; for tests.
    case splice
}

/// The numbers behind ``Engine/auto``, in the order in which a half meets them.
@usableFromInline
enum Bulk {
    /// So many full reads in a row are bulk.
    @inlinable static var fullReads: UInt8 { 4 }
    /// The most that is in a half's pipe, in bytes.
    @inlinable static var window: Int { 1024 * 1024 }
    /// While a half gathers, so many bytes should wait in its source's queue before they wake us (SO_RCVLOWAT, socket(7)).
    @inlinable static var lowWater: Int { 1024 * 1024 }
    /// A transfer of this size or more shows that bulk goes on, in bytes.
    @inlinable static var large: Int { 256 * 1024 }
    /// A transfer below this is a sign that bulk is over, in bytes.
    @inlinable static var small: Int { 32 * 1024 }
    /// So many signs, and the half copies again.
    @inlinable static var patience: UInt8 { 6 }
    /// Looking and finding nothing is worth so many signs.
    @inlinable static var nothing: UInt8 { 3 }
}
