/// Name of an application protocol that TLS clients offer (ALPN, RFC 7301), such as `h2`, `postgresql` or `acme-tls/1`.
public struct ALPNProtocol: Hashable, Sendable {
    /// Registered name, case-sensitive, 1 to 255 bytes.
    public let name: String

    /// Creates a protocol name from its text.
    ///
    /// - Throws: ``ALPNProtocolError`` if the text is empty or longer than 255 bytes.
    public init(parsing text: String) throws(ALPNProtocolError) {
        guard (1...Self.maxNameLength).contains(text.utf8.count) else {
            throw ALPNProtocolError(length: text.utf8.count)
        }
        name = text
    }

    /// Maximum length in bytes (RFC 7301, 3.1).
    static let maxNameLength = 255
}

extension ALPNProtocol: CustomStringConvertible {
    /// The name.
    public var description: String { name }
}

/// Error of parsing a protocol name: its length is out of range.
public struct ALPNProtocolError: Error, Hashable, Sendable {
    /// Length of the text in bytes.
    public let length: Int
}

extension ALPNProtocolError: CustomStringConvertible {
    /// One sentence that states the cause and how to fix it.
    public var description: String {
        length == 0
            ? "empty protocol name: write one that clients offer, such as h2"
            : "protocol name of \(length) bytes is too long: must be at most \(ALPNProtocol.maxNameLength) bytes"
    }
}
