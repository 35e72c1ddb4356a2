/// Why a text is not what it should be: a sentence that says how to write it.
public struct NotationError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
