/// Name of an application protocol that TLS clients offer (ALPN, RFC 7301), such as `h2`, `postgresql` or `acme-tls/1`.
public struct ALPNProtocol: Hashable, Sendable {
    /// Registered name, case-sensitive, 1 to 255 bytes.
    public let name: String

    /// Creates a protocol name from its text.
    ///
    /// - Throws: ``ALPNProtocolError`` if the text is empty, longer than 255 bytes, or a list of names.
    public init(parsing text: String) throws(ALPNProtocolError) {
        guard (1...Self.maxNameLength).contains(text.utf8.count) else {
            throw ALPNProtocolError(length: text.utf8.count)
        }
        // No registered name has these characters, and no client would offer a list as one name.
        guard !text.contains(where: { $0 == "," || $0.isWhitespace }) else {
            throw ALPNProtocolError(length: text.utf8.count, isList: true)
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

/// Error of parsing a protocol name: its length is out of range, or it is a list.
public struct ALPNProtocolError: Error, Hashable, Sendable {
    /// Length of the text in bytes.
    public let length: Int
    /// Whether the text has a comma or white space.
    public let isList: Bool

    init(length: Int, isList: Bool = false) {
        self.length = length
        self.isList = isList
    }
}

extension ALPNProtocolError: CustomStringConvertible {
    /// One sentence that states the cause and how to fix it.
    public var description: String {
        if isList { return "several protocol names in one: write each name separately, such as h2 and http/1.1" }
        return length == 0
            ? "empty protocol name: write one that clients offer, such as h2"
            : "protocol name of \(length) bytes is too long: must be at most \(ALPNProtocol.maxNameLength) bytes"
    }
}
