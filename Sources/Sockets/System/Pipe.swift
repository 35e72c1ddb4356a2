/// The two ends of a pipe. Frozen, so that other modules can move the descriptors out to close them.
@frozen
public struct Pipe: ~Copyable {
    /// The write end.
    public var input: Descriptor
    /// The read end.
    public var output: Descriptor
    /// The capacity in bytes; may be less than requested.
    public let capacity: Int

    @inlinable
    public init(input: consuming Descriptor, output: consuming Descriptor, capacity: Int) {
        self.input = input
        self.output = output
        self.capacity = capacity
    }
}
