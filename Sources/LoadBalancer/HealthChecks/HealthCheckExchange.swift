/// Request of a health check and evaluation of the response. Pure: the caller does the I/O.
protocol HealthCheckExchange: Sendable {
    /// Bytes to send as soon as the connection is established.
    var request: [UInt8] { get }

    /// Evaluates all bytes received so far; returns nil if they are not conclusive yet.
    func evaluate(_ answer: [UInt8]) -> Evaluation?
}

enum Evaluation: Hashable, Sendable {
    /// The server is up. `closingMessage`, which may be empty, is sent, and the server is then left to close first, so that
    /// it does not log an error. If nil, the client closes immediately.
    case up(closingMessage: [UInt8]? = nil)
    case down(HealthCheckFailure)
}

/// Check that passes if the response contains `expected` at any offset.
struct ExpectedBytes: HealthCheckExchange {
    let request: [UInt8]
    let expected: [UInt8]

    func evaluate(_ answer: [UInt8]) -> Evaluation? {
        answer.contains(expected) ? .up() : nil
    }
}

/// Formats text from an untrusted server for a one-line message, at most 160 bytes of it.
func quoted(_ bytes: some Collection<UInt8>) -> String {
    let limit = 160
    // A control character could forge a log line or move a terminal's cursor.
    let text = String(decoding: bytes.prefix(limit), as: UTF8.self).unicodeScalars
        .map { $0.properties.generalCategory == .control ? " " : String($0) }.joined()
    return text.split(separator: " ").joined(separator: " ")
}
