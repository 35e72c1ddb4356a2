import TCPProxy
import ValueFormats

/// Field of the access log; the raw value is its name in formats and JSON.
enum AccessLogField: String, CaseIterable, Sendable {
    /// Time at which the connection was accepted, in UTC.
    case time
    case id
    /// Address and port.
    case client
    case listener
    case pool
    case server
    case attempts
    case bytesUpstream = "bytes_upstream"
    case bytesDownstream = "bytes_downstream"
    case queue = "queue_seconds"
    case connect = "connect_seconds"
    case firstByte = "first_byte_seconds"
    case total = "total_seconds"
    case reason
    case initiator
    case tlsVersion = "tls_version"
    case tlsCipher = "tls_cipher"
    case tlsALPN = "tls_alpn"
    case sni
    case clientSubject = "client_subject"
    case clientFingerprint = "client_fingerprint"
    case serverTLSVersion = "server_tls_version"
    case serverTLSCipher = "server_tls_cipher"

    /// The fields of the format `text`.
    static let inText = allCases.filter { !$0.isTLS }

    /// Whether only connections with TLS have the field.
    private var isTLS: Bool {
        switch self {
        case .tlsVersion, .tlsCipher, .tlsALPN, .sni, .clientSubject, .clientFingerprint, .serverTLSVersion,
            .serverTLSCipher:
            true
        default: false
        }
    }

    /// Whether the text was chosen by the client, so that it may contain anything.
    var isFromClient: Bool { self == .sni || self == .clientSubject || self == .tlsALPN }

    /// Value of a field; `null` if the connection ended before the field had one.
    func value(of record: AccessRecord) -> JSONValue {
        switch self {
        case .time: .string(Timestamp(secondsSince1970: record.openedAt).description)
        case .id: .string("\(record.id)")
        case .client: .string("\(record.client)")
        case .listener: .string(record.listener)
        case .pool: .string(record.pool)
        case .server: record.server.map { .string($0) } ?? .null
        case .attempts: .integer(record.attempts)
        case .bytesUpstream: .integer(record.bytesUpstream)
        case .bytesDownstream: .integer(record.bytesDownstream)
        case .queue: .numeral(Self.written(record.queued))
        case .connect: record.connecting.map { .numeral(Self.written($0)) } ?? .null
        case .firstByte: record.firstByte.map { .numeral(Self.written($0)) } ?? .null
        case .total: .numeral(Self.written(record.total))
        case .reason: .string(record.reason.name)
        case .initiator: .string(record.initiator.name)
        case .tlsVersion: text(record.clientTLS?.version.protocolName)
        case .tlsCipher: text(record.clientTLS?.cipher)
        case .tlsALPN: text(record.clientTLS?.applicationProtocol)
        case .sni: text(record.clientTLS?.serverName)
        case .clientSubject: text(record.clientTLS?.certificate?.subject)
        case .clientFingerprint: text(record.clientTLS?.certificate?.fingerprint)
        case .serverTLSVersion: text(record.serverTLS?.version.protocolName)
        case .serverTLSCipher: text(record.serverTLS?.cipher)
        }
    }

    private func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }

    /// Formats a duration in seconds with 6 decimals.
    private static func written(_ duration: Duration) -> String {
        let microseconds = duration.wholeNanoseconds / 1000
        return "\(microseconds / 1_000_000).\(String(microseconds % 1_000_000 + 1_000_000).dropFirst())"
    }
}
