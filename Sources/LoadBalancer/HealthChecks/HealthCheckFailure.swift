package import Sockets

/// Why a health check failed.
package enum HealthCheckFailure: Error, Hashable, Sendable {
    /// Phase of a check in which it timed out.
    package enum Stage: Hashable, Sendable {
        case connecting
        case waitingForAnswer
    }

    case timedOut(Stage, after: Duration)
    /// The connection could not be established.
    case notConnected(SystemError)
    /// The connection failed before the response was complete.
    case broken(SystemError)
    /// The server closed the connection before a conclusive response; `got` is the part received.
    case closed(got: String)
    /// The response is not one of this protocol.
    case unexpectedAnswer(wanted: String, got: String)
    /// The first `limit` bytes of the response do not contain the expected bytes.
    case longAnswer(limit: Int)
    /// Message of PostgreSQL with its SQLSTATE, which is empty if none was sent.
    case postgres(code: String, message: String)
    /// Error message of Redis.
    case redis(message: String)
    case http(status: Int, expected: ClosedRange<Int>)
    /// The check was canceled locally; this says nothing about the server.
    case cancelled
}

extension HealthCheckFailure: CustomStringConvertible {
    /// Reason, as the end of a sentence: "connection refused", "HTTP 503, not 200 to 399".
    package var description: String {
        switch self {
        case .timedOut(.connecting, let limit):
            "no connection within \(written(limit))"
        case .timedOut(.waitingForAnswer, let limit):
            "connected, but no response within \(written(limit))"
        case .notConnected(let error):
            lowercased(error)
        case .broken(let error):
            "connected, then \(lowercased(error))"
        case .closed(let got) where got.isEmpty:
            "the server closed the connection without a response"
        case .closed(let got):
            "the server closed the connection after '\(got)'"
        case .unexpectedAnswer(let wanted, let got):
            "the response is not \(wanted): '\(got)'"
        case .longAnswer(let limit):
            "expected text not found in the first \(limit) bytes of the response"
        case .postgres(let code, let message):
            "PostgreSQL error: \(message)" + (code.isEmpty ? "" : " (\(code))")
        case .redis(let message):
            "Redis error: \(message)"
        case .http(let status, let expected) where expected.count == 1:
            "HTTP \(status), not \(expected.lowerBound)"
        case .http(let status, let expected):
            "HTTP \(status), not \(expected.lowerBound) to \(expected.upperBound)"
        case .cancelled:
            "the check was canceled"
        }
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
