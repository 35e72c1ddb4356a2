/// A parse error: one sentence with the cause and the correct syntax.
public struct TextError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The sentence.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
