/// What a TLS client says in the clear before anything is encrypted: which server it wants and what it wants to speak
/// (RFC 8446, 4.1.2).
///
/// With Encrypted Client Hello the name is the public one of its outer hello.
struct ClientHello: Hashable, Sendable {
    /// Where in the scratch buffer the name is that the client asks for (RFC 6066, 3), in lower case and without a dot at its
    /// end; nil if it gave none.
    let serverName: Range<Int>?
    /// Where in the scratch buffer its protocols are, each behind a byte with its length (RFC 7301, 3.1); empty if it gave
    /// none.
    let protocols: Range<Int>

    /// Bytes from a client among which its hello has to be, unless somebody wants more or fewer.
    static let usualLimit = 16_384
    /// The longest fragment that a record can hold (RFC 8446, 5.1).
    static let longestFragment = 16_384
    /// Records that one hello may be spread over. Those who cut it up against censors make a few dozen at most.
    static let mostRecords = 128
    /// The longest name of a host, without a dot at its end (RFC 1035, 2.3.4).
    static let longestName = 253

    static let recordHeaderLength = 5
    static let handshakeHeaderLength = 4

    /// What the first bytes of a connection are.
    enum Reading: Hashable, Sendable {
        /// So far the beginning of a hello, which does not end before there are `minimum` bytes in all. What is no TLS is
        /// not known before that either; what is malformed may be found sooner.
        case needMore(minimum: Int)
        case hello(ClientHello)
        /// No TLS, or one older than SSL 3.
        case notTLS
        /// TLS that no server would take. The connection is to be closed.
        case malformed(Fault)
        /// The hello does not end within the limit.
        case tooLong
    }

    /// What is wrong with a hello.
    enum Fault: Error, Hashable {
        /// A record of another kind before the hello has ended, or one without contents, or one that is too long.
        case record
        /// More records than ``mostRecords``.
        case tooManyRecords
        /// A handshake that begins with another message.
        case notHello
        /// Fields that do not end where the message does.
        case structure
        /// The same extension twice.
        case repeatedExtension
        /// A name with other bytes than letters, figures, hyphens, underscores and dots, an empty part, or more than
        /// ``longestName`` bytes; or not exactly one name.
        case serverName
        /// An IP address in the place of a name, which RFC 6066, 3, does not permit.
        case addressAsServerName
        /// A list of protocols that is none.
        case protocols
    }

    /// The protocols, in the client's order, by their places in the scratch buffer.
    func protocols(in scratch: UnsafeRawBufferPointer) -> ProtocolNames {
        ProtocolNames(reader: ByteReader(scratch, in: protocols))
    }

    /// Names of protocols, such as `h2`, one after the other.
    struct ProtocolNames: Sequence, IteratorProtocol {
        fileprivate var reader: ByteReader

        mutating func next() -> Range<Int>? {
            reader.readVector(lengthBytes: 1)
        }
    }
}
