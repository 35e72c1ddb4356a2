/// Server name and protocols from the first, unencrypted message of a TLS client (RFC 8446, 4.1.2).
///
/// With Encrypted Client Hello, the name is the public name of the outer ClientHello.
struct ClientHello: Hashable, Sendable {
    /// Range of the SNI host name (RFC 6066, 3) in the scratch buffer, in lower case and without a trailing dot; nil if
    /// the client sent none, or a name that is not a DNS name, which no route can match.
    let serverName: Range<Int>?
    /// Range of the ALPN protocols in the scratch buffer, each preceded by a length byte (RFC 7301, 3.1); empty if the
    /// client sent none.
    let protocols: Range<Int>

    /// Default limit in bytes for the ClientHello, including record headers.
    static let defaultLimit = 16_384
    /// Maximum length of a record's fragment (RFC 8446, 5.1).
    static let maxFragmentLength = 16_384
    /// Maximum number of records of one ClientHello. Clients that fragment it to evade censorship use a few dozen at
    /// most.
    static let maxRecords = 128
    /// Maximum length of a host name without a trailing dot (RFC 1035, 2.3.4).
    static let maxNameLength = 253

    static let recordHeaderLength = 5
    static let handshakeHeaderLength = 4

    /// Result of parsing the first bytes of a connection.
    enum ParseResult: Hashable, Sendable {
        /// The bytes are the beginning of a ClientHello that needs at least `minimum` bytes in total. Input that is not
        /// TLS may also be reported only then; malformed input may be reported earlier.
        case needMore(minimum: Int)
        /// The ClientHello is complete.
        case hello(ClientHello)
        /// Not TLS, or a version older than SSL 3.
        case notTLS
        /// TLS that no server would accept. The connection must be closed.
        case malformed(ParseError)
        /// The ClientHello does not end within the limit.
        case tooLong
    }

    /// Cause of a malformed ClientHello.
    enum ParseError: Error, Hashable {
        /// A record of another type before the end of the ClientHello, an empty record, or a record that is too long.
        case record
        /// More records than ``maxRecords``.
        case tooManyRecords
        /// The handshake begins with another message.
        case notHello
        /// The fields do not end at the end of the message.
        case structure
        /// An extension occurs twice.
        case repeatedExtension
        /// The list of names is malformed, or does not have exactly one name.
        case serverName
        /// The list of protocols is malformed.
        case protocols
    }

    /// Returns the ranges of the protocols in the scratch buffer, in the client's order.
    func protocols(in scratch: UnsafeRawBufferPointer) -> ProtocolNames {
        ProtocolNames(reader: ByteReader(scratch, in: protocols))
    }

    /// Sequence of the ranges of protocol names, such as `h2`.
    struct ProtocolNames: Sequence, IteratorProtocol {
        fileprivate var reader: ByteReader

        mutating func next() -> Range<Int>? {
            reader.readVector(lengthBytes: 1)
        }
    }
}
