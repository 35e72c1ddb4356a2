/// Refusal of a client with a message in its own protocol, so that it reports the cause.
enum Refusal {
    /// The listener has no certificate for the requested name: the alert unrecognized_name (RFC 6066, 3).
    case unknownName
    /// TLS without a request does not offer `postgresql`: the alert no_application_protocol (RFC 7301, 3.2).
    case noPostgresProtocol
    /// A PostgreSQL client does not use TLS: an ErrorResponse.
    case plainPostgres

    var message: [UInt8] {
        switch self {
        case .unknownName: [21, 3, 3, 0, 2, 2, 112]
        case .noPostgresProtocol: [21, 3, 3, 0, 2, 2, 120]
        case .plainPostgres: PostgresRequest.tlsRequired
        }
    }

    var cause: DenyReason {
        switch self {
        case .unknownName: .tlsName
        case .noPostgresProtocol: .postgresRequest
        case .plainPostgres: .clientHello
        }
    }
}
