/// A text that could not be read, with the one sentence that says how to write it.
public struct TextError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The sentence.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
