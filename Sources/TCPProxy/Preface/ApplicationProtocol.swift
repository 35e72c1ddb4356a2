/// A protocol that TLS clients offer to speak (ALPN, RFC 7301), such as `h2`, `postgresql` or `acme-tls/1`.
public struct ApplicationProtocol: Hashable, Sendable {
    /// As it is registered, in the case that it has there; 1 to 255 bytes.
    public let name: String

    /// - Throws: what is wrong with the text.
    public init(parsing text: String) throws(ApplicationProtocolError) {
        guard (1...Self.longestName).contains(text.utf8.count) else {
            throw ApplicationProtocolError(length: text.utf8.count)
        }
        name = text
    }

    /// In bytes (RFC 7301, 3.1).
    static let longestName = 255
}

extension ApplicationProtocol: CustomStringConvertible {
    public var description: String { name }
}

/// Why a text is no name of a protocol.
public struct ApplicationProtocolError: Error, Hashable, Sendable {
    /// In bytes.
    public let length: Int
}

extension ApplicationProtocolError: CustomStringConvertible {
    /// One sentence that says what is wrong and how to mend it.
    public var description: String {
        length == 0
            ? "a protocol without a name: write one that clients offer, such as h2"
            : "a protocol's name of \(length) bytes is more than the \(ApplicationProtocol.longestName) that clients can send"
    }
}
