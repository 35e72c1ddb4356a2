package import Sockets

/// Why a health check failed.
package enum HealthCheckFailure: Error, Hashable, Sendable {
    /// Phase of a check in which it timed out.
    package enum Stage: Hashable, Sendable {
        case connecting
        case handshake
        case waitingForAnswer
    }

    case timedOut(Stage, after: Duration)
    /// A part of a response was received in time, but it is incomplete or does not contain the expected bytes.
    case incomplete(got: String, after: Duration)
    /// None of the bytes received in time are the expected ones.
    case mismatch(got: String, after: Duration)
    /// The connection could not be established.
    case notConnected(SystemError)
    /// The connection failed before the response was complete.
    case broken(SystemError)
    /// The server closed the connection before a conclusive response; `got` is the part received.
    case closed(got: String)
    /// The server closed the connection during the TLS handshake.
    case closedInHandshake
    /// The TLS handshake or connection with a server of this name failed.
    case tls(cause: String, name: String)
    /// The server does not accept the request for TLS.
    case noTLS
    /// The response is not one of this protocol.
    case unexpectedAnswer(wanted: String, got: String)
    /// The first `limit` bytes of the response, which begins with `got`, do not contain the expected bytes.
    case longAnswer(limit: Int, got: String)
    /// Message of PostgreSQL with its SQLSTATE, which is empty if none was sent.
    case postgres(code: String, message: String)
    /// Error message of Redis.
    case redis(message: String)
    case redisRole(String, wanted: String)
    /// Error message of MySQL with its number.
    case mysql(code: Int, message: String)
    case http(status: Int, expected: [ClosedRange<Int>])
    /// The check was canceled locally; this says nothing about the server.
    case cancelled
}

extension HealthCheckFailure: CustomStringConvertible {
    /// Reason, as the end of a sentence: "connection refused", "HTTP 503, not 200 to 399".
    package var description: String {
        switch self {
        case .timedOut(.connecting, let limit): "no connection within \(written(limit))"
        case .timedOut(.handshake, let limit): "connected, but no TLS handshake within \(written(limit))"
        case .timedOut(.waitingForAnswer, let limit): "connected, but no response within \(written(limit))"
        case .incomplete(let got, let limit):
            "the response was not complete within \(written(limit)): received '\(got)'"
        case .mismatch(let got, let limit):
            "the expected text was not received within \(written(limit)): received '\(got)'"
        case .notConnected(let error): lowercased(error)
        case .broken(let error): "connected, then \(lowercased(error))"
        case .closed(let got) where got.isEmpty: "the server closed the connection without a response"
        case .closed(let got): "the server closed the connection after '\(got)'"
        case .closedInHandshake: "the server closed the connection during the TLS handshake"
        case .tls(let cause, let name): "TLS with \(name) failed: \(cause)"
        case .noTLS: "the server does not support TLS"
        case .unexpectedAnswer(let wanted, let got): "the response is not \(wanted): '\(got)'"
        case .longAnswer(let limit, let got):
            "expected text not found in the first \(limit) bytes of the response: received '\(got)'"
        case .postgres(let code, let message): "PostgreSQL error: \(message)" + (code.isEmpty ? "" : " (\(code))")
        case .redis(let message): "Redis error: \(message)"
        case .redisRole(let role, let wanted): "Redis role \(role), not \(wanted)"
        case .mysql(let code, let message): "MySQL error \(code): \(message)"
        case .http(let status, let expected): "HTTP \(status), not \(expected.map(written).joined(separator: " or "))"
        case .cancelled: "the check was canceled"
        }
    }

    private func written(_ codes: ClosedRange<Int>) -> String {
        codes.count == 1 ? "\(codes.lowerBound)" : "\(codes.lowerBound) to \(codes.upperBound)"
    }

    private func lowercased(_ error: SystemError) -> String {
        let text = error.description
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    private func written(_ limit: Duration) -> String {
        let milliseconds = limit.wholeNanoseconds / 1_000_000
        return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000) s" : "\(milliseconds) ms"
    }
}
