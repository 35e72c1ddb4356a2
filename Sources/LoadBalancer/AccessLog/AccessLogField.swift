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
        }
    }

    /// Formats a duration in seconds with 6 decimals.
    private static func written(_ duration: Duration) -> String {
        let microseconds = duration.wholeNanoseconds / 1000
        return "\(microseconds / 1_000_000).\(String(microseconds % 1_000_000 + 1_000_000).dropFirst())"
    }
}
