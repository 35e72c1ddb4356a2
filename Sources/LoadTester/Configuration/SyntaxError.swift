extension LoadTest {
    /// The reason why a text could not be parsed, and the correct syntax, in one sentence.
    public struct SyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
        /// The sentence.
        public let description: String

        init(_ description: String) {
            self.description = description
        }
    }
}
