/// The reason why a text is invalid: a sentence that states how to write it.
public struct ValueFormatError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
