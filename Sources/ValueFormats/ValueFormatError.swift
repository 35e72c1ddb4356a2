/// The reason why a text is invalid: a sentence that states how to write it.
public struct ValueFormatError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The expected format.
    public let description: String

    /// Creates an error with a description.
    public init(_ description: String) {
        self.description = description
    }
}
