import ValueFormats
import TCPProxy

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

    /// Value of a field: JSON distinguishes numbers from strings, and a connection may end before a field has a value.
    enum Value {
        case text(String)
        case number(String)
        case none
    }

    func value(of record: AccessRecord) -> Value {
        switch self {
        case .time: .text(Self.written(secondsSince1970: record.openedAt))
        case .id: .text("\(record.id)")
        case .client: .text("\(record.client)")
        case .listener: .text(record.listener)
        case .pool: .text(record.pool)
        case .server: record.server.map { .text($0) } ?? .none
        case .attempts: .number("\(record.attempts)")
        case .bytesUpstream: .number("\(record.bytesUpstream)")
        case .bytesDownstream: .number("\(record.bytesDownstream)")
        case .queue: .number(Self.written(record.queued))
        case .connect: record.connecting.map { .number(Self.written($0)) } ?? .none
        case .firstByte: record.firstByte.map { .number(Self.written($0)) } ?? .none
        case .total: .number(Self.written(record.total))
        case .reason: .text(record.reason.name)
        case .initiator: .text(record.initiator.name)
        }
    }

    private static func written(secondsSince1970 seconds: Double) -> String {
        let milliseconds = Int((seconds * 1000).rounded(.down))
        return "\(Timestamp(seconds: milliseconds / 1000, milliseconds: milliseconds % 1000))"
    }

    /// Formats a duration in seconds with 6 decimals.
    private static func written(_ duration: Duration) -> String {
        let microseconds = duration.wholeNanoseconds / 1000
        return "\(microseconds / 1_000_000).\(String(microseconds % 1_000_000 + 1_000_000).dropFirst())"
    }
}
