/// The first message of a PostgreSQL client (PostgreSQL documentation, "Message Formats"). It has no type byte: a length,
/// which includes itself, and a code follow each other, 4 bytes each.
enum PostgresRequest: Hashable, Sendable {
    /// SSLRequest: the client starts TLS if the answer is ``accepted``.
    case tls
    /// GSSENCRequest: the client starts GSSAPI encryption if the answer is `G`.
    case gssapi
    /// CancelRequest: all that its connection sends.
    case cancel
    /// StartupMessage of this many bytes: the client uses no encryption.
    case startup(length: Int)

    /// Result of parsing the first bytes of a connection.
    enum ParseResult: Hashable, Sendable {
        /// At least `minimum` bytes are needed in total.
        case needMore(minimum: Int)
        case request(PostgresRequest)
        /// A TLS record: the client starts TLS without a request.
        case tlsRecord
        /// Not the first message of a PostgreSQL client.
        case malformed
    }

    /// The length of SSLRequest and GSSENCRequest.
    static let length = 8
    /// The maximum length of a StartupMessage (MAX_STARTUP_PACKET_LENGTH of the server).
    static let maxStartupLength = 10_000
    /// The lengths of a CancelRequest: with a secret key of 4 bytes, from protocol 3.2 on of up to 256.
    static let cancelLengths = 16...268

    /// The answer that TLS is started, and the answer that the connection stays as it is.
    static let accepted = UInt8(ascii: "S")
    static let refused = UInt8(ascii: "N")

    /// SSLRequest in network byte order: the length 8 and the code 80877103.
    static let tlsRequest = UInt64(0x0000_0008_04D2_162F)

    /// ErrorResponse to the StartupMessage of a client that must use TLS, with SQLSTATE
    /// invalid_authorization_specification, as the server's own refusals.
    static let tlsRequired: [UInt8] = {
        let message = "this address accepts only connections with TLS: connect with sslmode=require"
        let fields = Array("SFATAL\0VFATAL\0C28000\0M\(message)\0\0".utf8)
        // The length includes itself.
        return [UInt8(ascii: "E"), 0, 0, 0, UInt8(fields.count + 4)] + fields
    }()

    /// The ALPN protocol that a client offers if it starts TLS without a request.
    static let alpnProtocol = "postgresql"

    private static let tlsRecordType: UInt8 = 22
    private static let requestVersion = 1234
    private static let startupVersions = 2...3

    /// Parses the first message. Stateless: pass all bytes received so far, and call again when the requested minimum is
    /// available.
    static func read(_ bytes: UnsafeRawBufferPointer) -> ParseResult {
        guard let first = bytes.first else { return .needMore(minimum: 1) }
        if first == tlsRecordType { return .tlsRecord }
        // No message has 65,536 bytes.
        guard first == 0, bytes.count < 2 || bytes[1] == 0 else { return .malformed }
        var reader = ByteReader(bytes)
        guard let length = reader.readNumber(bytes: 4), let version = reader.readNumber(bytes: 2),
            let number = reader.readNumber(bytes: 2)
        else { return .needMore(minimum: Self.length) }
        switch (version, number) {
        case (requestVersion, 5678) where cancelLengths.contains(length): return .request(.cancel)
        case (requestVersion, 5679) where length == Self.length: return .request(.tls)
        case (requestVersion, 5680) where length == Self.length: return .request(.gssapi)
        case (startupVersions, _) where (Self.length...maxStartupLength).contains(length):
            return .request(.startup(length: length))
        default: return .malformed
        }
    }
}

extension PostgresRequest {
    /// Returns whether a client offers the ALPN protocol of PostgreSQL. TLS without a request requires it, so that a client
    /// of another protocol cannot be made to talk to a database.
    ///
    /// - Parameter scratch: the buffer that the ClientHello was parsed with.
    static func isOffered(by hello: ClientHello, in scratch: UnsafeRawBufferPointer) -> Bool {
        for offer in hello.protocols(in: scratch).prefix(TLSRouter.maxOffers) {
            if scratch[offer].elementsEqual(alpnProtocol.utf8) { return true }
        }
        return false
    }
}

/// The requests of a PostgreSQL client ahead of TLS or of its StartupMessage.
struct PostgresNegotiation {
    struct Requests: OptionSet {
        let rawValue: UInt8

        static let tls = Requests(rawValue: 1)
        static let gssapi = Requests(rawValue: 2)
    }

    /// The requests so far: the client may make each of them once.
    var requests: Requests = []
    /// Whether the request for TLS was accepted, so that a ClientHello must follow.
    var isTLSAccepted = false
    /// The answer to the last request; nil if the client's socket has accepted it.
    var answer: UInt8?
}
