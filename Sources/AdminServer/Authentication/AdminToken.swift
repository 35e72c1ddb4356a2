/// The bearer token that a client must send: `Authorization: Bearer TOKEN` (RFC 6750).
public struct AdminToken: Sendable {
    /// The allowed lengths, in bytes.
    public static let lengths = 16...1024

    private let bytes: [UInt8]

    /// Parses the content of a token file; leading and trailing white space is ignored.
    ///
    /// - Throws: ``AdminError/badToken``.
    public init(_ text: some StringProtocol) throws(AdminError) {
        let whitespace: (Character) -> Bool = { $0.isWhitespace }
        let text = text.drop(while: whitespace)
        guard let last = text.lastIndex(where: { !$0.isWhitespace }) else { throw .badToken }
        bytes = Array(text[...last].utf8)
        guard Self.lengths.contains(bytes.count), bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .badToken
        }
    }

    /// The value of an `Authorization` field that contains the token.
    var authorization: String { "Bearer \(String(decoding: bytes, as: UTF8.self))" }

    /// Returns whether an `Authorization` field contains the token. The time of the comparison reveals nothing about
    /// the token but its length.
    func isShown(by authorization: String?) -> Bool {
        let scheme = "bearer "
        guard let authorization, authorization.lowercased().hasPrefix(scheme) else { return false }
        let shown = Array(authorization.utf8.dropFirst(scheme.utf8.count).drop { $0 == UInt8(ascii: " ") })
        var difference = shown.count ^ bytes.count
        for index in bytes.indices {
            difference |= Int(bytes[index] ^ (index < shown.count ? shown[index] : 0))
        }
        return difference == 0
    }
}
