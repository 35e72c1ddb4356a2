/// An open file descriptor with exactly one owner.
///
/// Only the `System` that made it can close it, and somebody must: a descriptor that goes out of scope open is a leak,
/// so it traps then and there and names its number.
@frozen
public struct Descriptor: ~Copyable {
    public let number: Int32

    /// Takes over a descriptor that the caller owns.
    @inlinable
    public init(adopting number: Int32) {
        precondition(number >= 0, "a descriptor is never negative; a failed call must not get here")
        self.number = number
    }

    /// Hands the number over to the caller, who now must close it.
    @inlinable
    public consuming func release() -> Int32 {
        let number = self.number
        discard self
        return number
    }

    @inlinable
    deinit {
        Descriptor.leaked(number)
    }

    @usableFromInline
    static func leaked(_ number: Int32) {
        preconditionFailure("descriptor \(number) went out of scope without having been closed")
    }
}
