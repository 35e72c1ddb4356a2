/// An open file descriptor with exactly one owner.
///
/// Only the `System` that created a descriptor can close it, and it must be closed explicitly. A descriptor that goes
/// out of scope while open is a leak, so it traps immediately with its number in the message.
@frozen
public struct Descriptor: ~Copyable {
    public let number: Int32

    /// Takes ownership of a descriptor from the caller.
    @inlinable
    public init(adopting number: Int32) {
        precondition(number >= 0, "negative descriptor: the result of a failed call must not be adopted")
        self.number = number
    }

    /// Transfers ownership of the number to the caller, which must close it.
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
